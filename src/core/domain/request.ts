import type { CheckPolicy } from './checks.ts';
import type { Background, CropStrategy, MasterFormat, Quality, RenditionSpec } from './formats.ts';
import type { Size } from './geometry.ts';
import { type GivenInput, type Input, picturesSent, type Reference } from './input.ts';

/** The caller of a use case. */
export interface Caller {
  /** Name of the API key, which owns the images that it makes; `anonymous` where no keys are configured. */
  readonly name: string;
  /** Whether it sees the images of every name, and what they cost. */
  readonly seesAll: boolean;
  /** Whether it may also change the images of every name. */
  readonly admin: boolean;
}

/** True when the caller may see the images of this owner. */
export function maySee(caller: Caller, owner: string): boolean {
  return caller.seesAll || caller.name === owner;
}

/** The owner whose images the caller may see; null where these are all. */
export function ownerSeenBy(caller: Caller): string | null {
  return caller.seesAll ? null : caller.name;
}

/** True when the caller may change, run again and delete the images of this owner. */
export function mayChange(caller: Caller, owner: string): boolean {
  return caller.admin || caller.name === owner;
}

/**
 * The caller where no API keys are configured, and the caller of every command: it may do everything. It owns the images that it
 * makes, so its name is reserved: a key called `anonymous` would get access to them.
 */
export const ANONYMOUS: Caller = { name: 'anonymous', seesAll: true, admin: true };

/** Names a call of the OpenAI dialect, which asks for one picture or several, and the image's place among them. */
export interface ImageCall {
  readonly id: string;
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** SHA-256, in hex, of what the call asks for: a retry of it has the same one. */
  readonly digest: string;
  /** Of the first image: whether a client was given all. Absent for no, and where one process alone has the records and remembers it. */
  readonly delivered?: boolean;
}

/** A request with every default resolved. */
export interface ImageRequest {
  /** What to show, in the caller's own words; null where there is a brief. */
  readonly prompt: string | null;
  /** What to show, in parts, merged with the preset's brief. */
  readonly brief: Brief | null;
  /** `name@version`; null for none. */
  readonly preset: string | null;
  readonly model: string;
  /** The only provider that may be called; null for the configured order. */
  readonly provider: string | null;
  /** Size of the master. */
  readonly size: Size;
  readonly quality: Quality;
  readonly style: string | null;
  readonly background: Background;
  /** Format of the master. */
  readonly format: MasterFormat;
  readonly renditions: readonly RenditionSpec[];
  /**
   * Present where the renditions are the configured ones, named neither by the request nor by its preset: the prompt then asks for no
   * margins on their account. No part of what two requests are compared by. Absent from requests from before this field existed.
   */
  readonly hasDefaultRenditions?: true;
  /** Pictures to start from, in order; absent for none. */
  readonly inputs?: readonly Input[];
  /** For the first input; its transparent parts are painted anew. */
  readonly mask?: Input;
  /** Pictures of the preset, sent after `inputs`; absent for none. Stored as inputs are, so that a later run sends the same ones. */
  readonly references?: readonly Reference[];
  /** What the preset wants in every picture, and in none; absent for nothing. */
  readonly require?: readonly string[];
  readonly forbid?: readonly string[];
  /**
   * Present where the request names neither size nor format: an original that can be published unchanged is then the master, whatever its
   * size and format, and `size` and `format` are only what the model is asked for.
   */
  readonly takesAnyShape?: true;
  /** What only the call to the model is about; absent for none. */
  readonly options?: CallOptions;
  /** Partial pictures to stream whether or not a client listens, 0 to 3; absent for none. No part of what makes the picture. */
  readonly partials?: number;
  /** Absent means `centre`, as in requests that were stored before this field existed. */
  readonly crop?: CropStrategy;
  /** The preset's overrides of the configured check policy. */
  readonly checks?: Partial<CheckPolicy>;
  /** Pairs of strings that the record gives back unchanged. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  /** Seconds after the request, or after the PATCH that gave it, at which the image expires; null for the configured retention. */
  readonly ttlSeconds: number | null;
  /** Receiver of the webhook; null for that of the API key. */
  readonly webhookUrl: string | null;
}

/** Every picture that a call for the request is sent: those that it starts from, with its preset's, and its mask, which comes last. */
export function inputsOf({ mask, ...request }: Pick<ImageRequest, 'inputs' | 'mask' | 'references'>): readonly Input[] {
  return mask ? [...picturesSent(request), mask] : picturesSent(request);
}

/** Parameters of the model's call that Easel passes on where the model takes them. Absent ones are not sent. */
export interface CallOptions {
  readonly moderation?: 'auto' | 'low';
  /** 0 to 100, for jpeg and webp. */
  readonly compression?: number;
  readonly inputFidelity?: 'low' | 'high';
  /** Names the end user to the provider, as a hash. */
  readonly safetyIdentifier?: string;
}

/** The names of the options. */
export const CALL_OPTIONS = ['moderation', 'compression', 'inputFidelity', 'safetyIdentifier'] as const;
export type CallOptionName = (typeof CALL_OPTIONS)[number];

/** The fields of a request that do not make the picture: they can be changed later, and requests that differ in them are the same. */
export const CHANGEABLE_FIELDS = ['labels', 'metadata', 'ttlSeconds', 'webhookUrl'] as const;
export type ChangeableFields = Pick<ImageRequest, (typeof CHANGEABLE_FIELDS)[number]>;

/** The fields that a request gets from its preset or the settings, never by itself. */
export const PRESET_FIELDS = [
  'crop',
  'checks',
  'references',
  'require',
  'forbid',
] as const satisfies (keyof ImageRequest)[];
export type PresetField = (typeof PRESET_FIELDS)[number];

/** A change of such fields as it came: an absent field stays as it is, null clears it. */
export type ImagePatch = {
  readonly [Field in keyof ChangeableFields]?: ChangeableFields[Field] | null | undefined;
} & {
  /** Whether a cleanup leaves the image; false also takes the label that pins away. */
  readonly pinned?: boolean | null | undefined;
};

/**
 * A request as it came: its fields are valid, its defaults not yet resolved; null counts as left out. What can only
 * come from a preset is no part of it.
 */
export type CreateImage = {
  readonly mediaId?: string | null | undefined;
  readonly inputs?: readonly GivenInput[] | null | undefined;
  readonly mask?: GivenInput | null | undefined;
} & {
  readonly [Field in Exclude<keyof ImageRequest, PresetField | 'hasDefaultRenditions' | 'inputs' | 'mask'>]?:
    | ImageRequest[Field]
    | null
    | undefined;
};

/** Labels as they are stored: each once, in the order in which they came. */
export function distinctLabels(labels: readonly string[] | null | undefined): readonly string[] {
  return [...new Set(labels)];
}

/** The parts of a brief, and whether each holds one text or a list of texts. This is the one list: types and schemas derive from it. */
const BRIEF_PARTS = {
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

/** What to show, in parts. Blank parts are absent, never empty strings or empty lists. */
export type Brief = { readonly [Part in BriefPart]?: ByKind<Part, string, readonly string[]> };

type ByKind<Part extends BriefPart, Text, List> = (typeof BRIEF_PARTS)[Part] extends 'text' ? Text : List;

/** An object with `text` for each part that holds one text and `list` for the others, such as the shape of a schema. */
export function forEachBriefPart<Text, List>(text: Text, list: List) {
  const parts = Object.entries(BRIEF_PARTS).map(([part, kind]) => [part, kind === 'text' ? text : list]);
  return Object.fromEntries(parts) as { readonly [Part in BriefPart]: ByKind<Part, Text, List> };
}
