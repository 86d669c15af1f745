import { type Image, isFinished } from './image.ts';

/** The kinds of changes after which an image is there. */
export const IMAGE_CHANGE_KINDS = ['created', 'status', 'done', 'changed'] as const;
export type ImageChangeKind = (typeof IMAGE_CHANGE_KINDS)[number];

/**
 * A durable change that callers can see: `created`; `status` (of an unfinished image: its status, run, provider or attempts); `done` (a run
 * has ended); `changed` (anything else in the record); `deleted`.
 */
export type ImageChange =
  | {
      readonly kind: ImageChangeKind;
      readonly mediaId: string;
      readonly owner: string;
      /** As it was stored by this change, or by a later one. */
      readonly image: Image;
    }
  | { readonly kind: 'deleted'; readonly mediaId: string; readonly owner: string; readonly image: null };

/** Fields of an image that no caller sees, in no form. */
const INTERNAL_FIELDS: ReadonlySet<string> = new Set([
  'claim',
  'idempotencyKey',
  'call',
  'traceparent',
  'requestId',
  'allowanceFrom',
  'original',
  'leftovers',
  'estimate',
  'ttlSince',
] satisfies (keyof Image)[]);

/** Fields whose change is progress while an image is unfinished. */
const PROGRESS_FIELDS = ['status', 'run', 'provider', 'attempts'] as const satisfies (keyof Image)[];

/** What a write did: the image before (null: it is new) and after (null: it was removed). Null where no caller can see a difference. */
export function changeOf(before: Image | null, after: Image | null): ImageChange | null {
  if (after === null) {
    return before && { kind: 'deleted', mediaId: before.mediaId, owner: before.owner, image: null };
  }
  const kind = kindOf(before, after);
  return kind && { kind, mediaId: after.mediaId, owner: after.owner, image: after };
}

function kindOf(before: Image | null, after: Image): ImageChangeKind | null {
  if (before === null) return 'created';
  const differs = (field: keyof Image) => isDifferent(before[field], after[field]);
  const hasEnded = isFinished(after.status) && (!isFinished(before.status) || before.run !== after.run);
  if (hasEnded) return 'done';
  if (!isFinished(after.status) && PROGRESS_FIELDS.some(differs)) return 'status';
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Image>;
  return [...fields].some((field) => !INTERNAL_FIELDS.has(field) && differs(field)) ? 'changed' : null;
}

function isDifferent(before: unknown, after: unknown): boolean {
  return before !== after && JSON.stringify(before) !== JSON.stringify(after);
}
