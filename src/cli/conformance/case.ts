import type { EventSourceMessage } from 'eventsource-parser';
import type { OmittableParameter } from '../../core/domain/model.ts';

/** The server that is tried, and what every call for a picture sends. */
export interface Target {
  /** What the SDK takes as `baseURL`, without a slash at its end. */
  readonly baseUrl: string;
  /** Null sends none. */
  readonly key: string | null;
  readonly model: string;
  /** `WxH`; null where the server has refused the parameter. */
  readonly size: string | null;
  /** The parameters of the cheapest picture that the server has accepted. */
  readonly base: Readonly<Record<string, unknown>>;
  /** A picture to edit, and a mask for it. */
  readonly inputs: Inputs;
}

/** PNGs of one size; the mask has alpha, and its left half is transparent. */
export interface Inputs {
  readonly picture: Buffer;
  readonly mask: Buffer;
}

/** What a case sends. One without `json`, `text` and `form` has no body. */
export interface Sending {
  readonly method: 'GET' | 'POST';
  /** Behind the base URL, such as `/models`. */
  readonly path: string;
  readonly json?: unknown;
  /** A body as it is sent, said to be JSON. */
  readonly text?: string;
  readonly form?: readonly FormPart[];
  /** In place of the target's. */
  readonly key?: string;
}

/** A part of a form: a field, or a file. */
export type FormPart = readonly [name: string, value: string | Buffer];

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
  /** The events of the body, where its content type says that it is a stream. */
  readonly events: readonly EventSourceMessage[];
  /** Fetches a picture that the answer names by its URL. Raises for one that cannot be had. */
  readonly download: (url: string) => Promise<Buffer>;
}

/** Says where an answer deviates from what must hold of it, in sentences without a stop; empty where it does not. */
export type Expectation = (answer: Answer, target: Target) => readonly string[] | Promise<readonly string[]>;

/** One promise of the published API, as data: what is sent, and what must hold of the answer. */
export interface Case {
  /** Its part and its subject, such as `generations/n`. */
  readonly name: string;
  readonly promise: string;
  /** The most pictures that a server may make of it. One that should refuse the call may make some all the same. */
  readonly pictures: number;
  /** Tried only with a key, or only where a picture was made, or edited, before. */
  readonly needs?: 'key' | 'picture' | 'edit';
  readonly send: (target: Target) => Sending;
  readonly expect: readonly Expectation[];
  /** What it sends that a server may lack: left out for such a server. */
  readonly omittable?: readonly OmittableName[];
  /** The setting that is false for a server that cannot do what it asks for. */
  readonly flag?: FlagName;
  /** What the answer says of a server that conforms either way. */
  readonly note?: (answer: Answer) => string;
}

/** Settings that say what a server has: each is true by default. */
export type FlagName = 'EDITS' | 'STREAMING';

/** Names that the setting `OMIT` takes, and names that it may not take: these are left out of the advice. */
export type OmittableName = OmittableParameter | 'output_compression' | 'moderation' | 'safety_identifier';
