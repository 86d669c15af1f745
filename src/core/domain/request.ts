import type { CheckPolicy } from './checks.ts';
import type { Background, CropStrategy, MasterFormat, Quality, RenditionSpec } from './formats.ts';
import type { Size } from './geometry.ts';

/** The parts of a brief, and whether each holds one text or a list. This is the one list: types and schemas derive from it. */
export const BRIEF_PARTS = {
  subject: 'text',
  style: 'text',
  mood: 'text',
  palette: 'list',
  composition: 'text',
  lighting: 'text',
  avoid: 'list',
  text: 'text',
} as const;
export type BriefPart = keyof typeof BRIEF_PARTS;

/** What the caller wants to see, in parts. Absent parts are absent, never empty strings or empty lists. */
export type Brief = { readonly [Part in BriefPart]?: ByKind<Part, string, readonly string[]> };

type ByKind<Part extends BriefPart, Text, List> = (typeof BRIEF_PARTS)[Part] extends 'text' ? Text : List;

/** An object with `text` for every part that holds one text and `list` for every other one, such as the shape of a schema. */
export function forEachBriefPart<Text, List>(text: Text, list: List) {
  const parts = Object.entries(BRIEF_PARTS).map(([part, kind]) => [part, kind === 'text' ? text : list]);
  return Object.fromEntries(parts) as { readonly [Part in BriefPart]: ByKind<Part, Text, List> };
}

/** A request with every default resolved; its canonical JSON is what the fingerprint is taken of. */
export interface ImageRequest {
  readonly prompt: string | null;
  readonly brief: Brief | null;
  /** `name@version`, or null where no preset was asked for. */
  readonly preset: string | null;
  readonly model: string;
  /** The one provider the caller named, or null where the configured order applies. */
  readonly provider: string | null;
  readonly size: Size;
  readonly quality: Quality;
  readonly style: string | null;
  readonly background: Background;
  readonly format: MasterFormat;
  readonly renditions: readonly RenditionSpec[];
  /** Absent: `centre`, so that requests of the time before there was a choice stay equal. */
  readonly crop?: CropStrategy;
  /** What becomes of pictures that do not pass a check, where the preset has it otherwise than the settings. */
  readonly checks?: Partial<CheckPolicy>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  readonly ttlSeconds: number | null;
  readonly webhookUrl: string | null;
}

/** Who asks. */
export interface Caller {
  /** Name of the API key; `anonymous` where no keys are configured. */
  readonly name: string;
  /** Sees the images of every key. */
  readonly admin: boolean;
}

/** A request as it came, its shape already checked, its defaults not yet resolved. */
export interface CreateImage {
  readonly mediaId?: string | undefined;
  readonly prompt?: string | undefined;
  readonly brief?: Brief | undefined;
  readonly preset?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly size?: Size | undefined;
  readonly quality?: Quality | undefined;
  readonly style?: string | undefined;
  readonly background?: Background | undefined;
  readonly format?: MasterFormat | undefined;
  readonly renditions?: readonly RenditionSpec[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly ttlSeconds?: number | undefined;
  readonly webhookUrl?: string | undefined;
}
