/** What the form holds, and the request that it stands for. Pure. */

import type { BriefPart } from '../../core/domain/request.ts';
import type { CreateImage, ImageRecord } from '../service/types.ts';

/** A picture to start from. A file has the name under which it is sent. */
export type DraftInput =
  | { readonly mediaId: string }
  | { readonly url: string }
  | { readonly sha256: string }
  | { readonly file: string; readonly blob: File };

/** The texts of the form. An empty one is left out of the request; lists have one item a line. */
export interface Draft {
  /** Whether the picture is described in one text or in the parts of a brief. */
  readonly isBrief: boolean;
  readonly prompt: string;
  readonly brief: Readonly<Record<BriefPart, string>>;
  readonly preset: string;
  readonly model: string;
  readonly size: string;
  readonly quality: string;
  readonly style: string;
  readonly background: string;
  readonly format: string;
  /** Separated by spaces or commas; `none` for an empty list. */
  readonly renditions: string;
  readonly inputs: readonly DraftInput[];
  readonly mask: DraftInput | null;
  readonly showsPartials: boolean;
  readonly mediaId: string;
  readonly labels: string;
  /** Days after which the picture is deleted. */
  readonly days: string;
  /** Given on as it came, for a picture that is made again. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The same for a request that names one provider. */
  readonly provider: string;
}

const NO_BRIEF: Draft['brief'] = {
  subject: '',
  style: '',
  mood: '',
  palette: '',
  composition: '',
  lighting: '',
  avoid: '',
  text: '',
};

export const EMPTY_DRAFT: Draft = {
  isBrief: false,
  prompt: '',
  brief: NO_BRIEF,
  preset: '',
  model: '',
  size: '',
  quality: '',
  style: '',
  background: '',
  format: '',
  renditions: '',
  inputs: [],
  mask: null,
  showsPartials: true,
  mediaId: '',
  labels: '',
  days: '',
  metadata: {},
  provider: '',
};

const DAY_SECONDS = 86_400;
/** Partial pictures that are streamed for the page: enough to see it come, and each is billed. */
const PARTIALS = 2;

/** The draft that makes the picture of a record again. */
export function draftOf({ request }: Pick<ImageRecord, 'request'>): Draft {
  const { prompt, brief, ttlSeconds } = request;
  const parts = Object.entries(brief ?? {}).map(([part, value]) => [
    part,
    Array.isArray(value) ? value.join('\n') : value,
  ]);
  return {
    isBrief: prompt === null,
    prompt: prompt ?? '',
    brief: { ...NO_BRIEF, ...Object.fromEntries(parts) },
    // A record names the version too, which a request may.
    preset: request.preset ?? '',
    model: request.model,
    size: request.size,
    quality: request.quality,
    style: request.style ?? '',
    background: request.background,
    format: request.format,
    renditions: request.renditions.length === 0 ? 'none' : request.renditions.join(' '),
    inputs: request.inputs ?? [],
    mask: request.mask ?? null,
    showsPartials: (request.partials ?? 0) > 0,
    mediaId: '',
    labels: request.labels.join('\n'),
    days: ttlSeconds === null ? '' : String(ttlSeconds / DAY_SECONDS),
    metadata: request.metadata,
    provider: request.provider ?? '',
  };
}

/** Whether the draft says what to show. */
export function isDescribed({ isBrief, prompt, brief }: Draft): boolean {
  return isBrief ? Object.values(brief).some((text) => text.trim() !== '') : prompt.trim() !== '';
}

/** The request that the draft stands for: what is wrong with it, the service says. */
export function toRequest(draft: Draft): CreateImage {
  const days = Number(draft.days);
  return {
    ...(draft.isBrief ? { brief: toBrief(draft.brief) } : { prompt: draft.prompt }),
    ...given({
      mediaId: draft.mediaId.trim(),
      preset: draft.preset,
      model: draft.model,
      provider: draft.provider,
      size: draft.size.trim().replace(/\s*[x×]\s*/i, 'x'),
      quality: draft.quality,
      style: draft.style,
      background: draft.background,
      format: draft.format,
    }),
    ...(draft.renditions.trim() !== '' && { renditions: toRenditions(draft.renditions) }),
    ...(draft.inputs.length > 0 && { inputs: draft.inputs.map(toInput) }),
    ...(draft.mask !== null && { mask: toInput(draft.mask) }),
    ...(draft.showsPartials && { partials: PARTIALS }),
    ...(lines(draft.labels).length > 0 && { labels: [...new Set(lines(draft.labels))] }),
    ...(draft.days.trim() !== '' && {
      // No number is sent as it was typed: JSON would make null of it, which means for ever.
      ttlSeconds: Number.isFinite(days) ? Math.round(days * DAY_SECONDS) : draft.days,
    }),
    ...(Object.keys(draft.metadata).length > 0 && { metadata: { ...draft.metadata } }),
  } as CreateImage;
}

/** The files of the draft, by the names of their parts. */
export function filesOf({ inputs, mask }: Draft): ReadonlyMap<string, Blob> {
  const files = [...inputs, ...(mask ? [mask] : [])].filter((input) => 'file' in input);
  return new Map(files.map(({ file, blob }) => [file, blob]));
}

function toInput(input: DraftInput) {
  return 'file' in input ? { file: input.file } : input;
}

function toBrief(brief: Draft['brief']) {
  const { palette, avoid, ...texts } = brief;
  return {
    ...given(texts),
    ...(lines(palette).length > 0 && { palette: lines(palette) }),
    ...(lines(avoid).length > 0 && { avoid: lines(avoid) }),
  };
}

function toRenditions(text: string): string[] {
  return text.trim() === 'none' ? [] : text.split(/[\s,]+/).filter((one) => one !== '');
}

/** The lines that are not blank. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The fields that are not blank. */
function given(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value.trim() !== ''));
}
