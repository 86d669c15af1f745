/** The words for the codes and figures of a record. */

import type { Attempt, ImageRecord, Provenance } from '../service/types.ts';
import { formatUsd } from '../ui/format.ts';

type Check = ImageRecord['checks'][number];
type FileProvenance = NonNullable<Provenance['master']>;
type Credentials = NonNullable<FileProvenance['c2pa']>;

/** What a picture has cost, and by whose count. */
export function costWords({ usd, basis }: ImageRecord['cost']): string {
  switch (basis) {
    case 'usage':
      return `${formatUsd(usd)}, by the provider's own count`;
    case 'estimate':
      if (usd === 0) return 'Nothing, by the price list';
      return `Up to ${formatUsd(usd)}, estimated by the price list`;
    case 'unknown':
      return 'Not known: the price list has no price for this model';
    case 'none':
      return 'Nothing: no call was made, or none was billed';
  }
}

/** A size as `1792 × 1024`. */
export function sizeWords(size: string | { readonly width: number; readonly height: number }): string {
  return typeof size === 'string' ? size.replace('x', ' × ') : `${size.width} × ${size.height}`;
}

/** What was done to a picture of the size that the model was asked for, to get the master. */
export function cropWords(requestedSize: string, master: { readonly width: number; readonly height: number }): string {
  const [width = 0, height = 0] = requestedSize.split('x').map(Number);
  if (!(width > 0 && height > 0)) return '';
  if (width === master.width && height === master.height) return 'Nothing was cut off.';
  const keptWidth = Math.min(1, (height * master.width) / master.height / width);
  const keptHeight = Math.min(1, (width * master.height) / master.width / height);
  const cut = Math.round((1 - Math.min(keptWidth, keptHeight)) * 100);
  const scaled = `brought to ${sizeWords(master)}`;
  if (cut === 0) return `It was ${scaled}; nothing was cut off.`;
  const side = keptWidth < keptHeight ? 'width' : 'height';
  return `It was ${scaled}: ${cut}% of its ${side} was cut off, unless the crop “contain” kept it whole on a plain ground.`;
}

const CHECK_WORDS: Readonly<Record<Check['name'], { readonly title: string; readonly finds: string }>> = {
  uniformity: { title: 'Not blank', finds: 'how much its brightness varies' },
  entropy: { title: 'Something to see', finds: 'how much there is in it, in bits' },
  sharpness: { title: 'Sharp', finds: 'how sharp its edges are' },
  borders: { title: 'No bars', finds: 'the part that is not a flat bar' },
  size: { title: 'Large enough', finds: 'its size over the size that was asked for' },
  ratio: { title: 'The right shape', finds: 'how close its shape is to the one that was asked for' },
};

/** What a check is about, and what its value measures. */
export function checkWords(name: Check['name']): { readonly title: string; readonly finds: string } {
  return CHECK_WORDS[name];
}

export const VERDICT_WORDS: Readonly<Record<Check['verdict'], string>> = {
  ok: 'Passed',
  warn: 'Not passed; published all the same',
  reject: 'Not passed; not published',
};

const HTTP_WORDS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'the request was refused',
  401: 'the key was refused',
  402: 'the account has no credit',
  403: 'access was refused',
  404: 'the model or address was not found',
  408: 'the request took too long',
  409: 'the request conflicted with another',
  413: 'the request was too large',
  422: 'the request could not be used',
  429: 'too many requests, or the quota is used up',
  500: 'an error inside the provider',
  502: 'a gateway got no good answer',
  503: 'the provider was overloaded or down',
  504: 'a gateway waited too long',
};

/** The HTTP status of a call, in words; empty for a call that needed none, as one to the placeholder. */
export function httpWords({ httpStatus, outcome }: Pick<Attempt, 'httpStatus' | 'outcome'>): string {
  if (httpStatus !== null) {
    const words = HTTP_WORDS[httpStatus] ?? (httpStatus >= 500 ? HTTP_WORDS[500] : null);
    return words ? `HTTP ${httpStatus}: ${words}` : `HTTP ${httpStatus}`;
  }
  if (outcome === 'ok') return '';
  return outcome === 'running' ? 'No answer yet' : 'No HTTP answer came';
}

/** Seconds as `30 days`, `6 hours` or `90 seconds`, in the largest unit that leaves no rest. */
export function ageWords(seconds: number): string {
  const units = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ] as const;
  const [size, name] = units.find(([unit]) => seconds % unit === 0) ?? [1, 'second'];
  const count = seconds / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** A sentence of the service with a capital at its beginning and a full stop at its end. */
export function asSentence(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** What a picture is, by its IPTC NewsCode. */
export function sourceTypeWords(code: string | null): string {
  if (code === null) return 'Not known until the model has answered';
  if (code.endsWith('/trainedAlgorithmicMedia')) return 'Made by a trained model (IPTC “trained algorithmic media”)';
  if (code.endsWith('/algorithmicMedia')) return 'Made by an algorithm without training (IPTC “algorithmic media”)';
  return `IPTC “${code.slice(code.lastIndexOf('/') + 1)}”`;
}

export const INTEGRITY_WORDS: Readonly<Record<FileProvenance['integrity'], string>> = {
  intact: 'The stored bytes are those of the record.',
  changed: 'The stored bytes are no longer those of the record.',
  missing: 'The file is missing.',
};

export const CREDENTIAL_WORDS: Readonly<Record<Credentials['verdict'], string>> = {
  valid: 'Content credentials (C2PA) verified',
  invalid: 'Content credentials (C2PA) do not verify',
  unverified: 'Content credentials (C2PA) could not be checked in full',
};

export const ROLE_WORDS: Readonly<Record<Provenance['inputs'][number]['role'], string>> = {
  input: 'Picture to start from',
  mask: 'Mask',
  reference: 'Reference of the preset',
};
