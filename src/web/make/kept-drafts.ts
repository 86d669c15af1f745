/** The drafts of this tab, so that a form is found again as it was left. */

import { type Draft, EMPTY_DRAFT } from './draft.ts';

export interface KeptDraft {
  readonly draft: Draft;
  /** The Idempotency-Key under which it is sent: the same for as long as the draft is, so that it is paid once. */
  readonly sendKey: string;
}

const STORAGE_KEY = 'easel.draft';

/** By where the form was opened: Back gives a form as it was left, its files too. */
const kept = new Map<string, KeptDraft>();

/** The draft of this place, over a reload too; null for none. */
export function keptDraft(place: string): KeptDraft | null {
  return kept.get(place) ?? readStored(place);
}

/** Keeps the draft of this place, or with null none. */
export function keepDraft(place: string, next: KeptDraft | null): void {
  if (next === null) kept.delete(place);
  else kept.set(place, next);
  try {
    if (next === null) sessionStorage.removeItem(STORAGE_KEY);
    else sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ place, ...withoutFiles(next) }));
  } catch {
    // Without storage the draft lives as long as the page.
  }
}

/** A key of 128 random bits. `crypto.randomUUID` is missing where the page came over plain http from another machine. */
export function makeSendKey(): string {
  return `page-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** A browser cannot store files here. Without them it is another request, so it gets another key when it is read. */
function withoutFiles({ draft, sendKey }: KeptDraft) {
  const inputs = draft.inputs.filter((input) => !('file' in input));
  const mask = draft.mask !== null && 'file' in draft.mask ? null : draft.mask;
  const isWhole = inputs.length === draft.inputs.length && mask === draft.mask;
  return { draft: { ...draft, inputs, mask }, sendKey: isWhole ? sendKey : null };
}

function readStored(place: string): KeptDraft | null {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null');
    if (stored?.place !== place) return null;
    const found = { draft: { ...EMPTY_DRAFT, ...stored.draft }, sendKey: stored.sendKey ?? makeSendKey() };
    kept.set(place, found);
    return found;
  } catch {
    return null;
  }
}
