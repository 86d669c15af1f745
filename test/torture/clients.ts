/** What a round of torture knows: its clients' requests, with what they were answered, and the losses at the service's deaths. */

import type { PartToSend } from '../support/multipart.ts';
import type { OpenAiServer } from '../support/openai/server.ts';

/** One request of a client, and what the client knows of it. Its prompt is unique, so that calls can be matched to it. */
export interface ClientRequest {
  readonly body: {
    readonly mediaId?: string;
    readonly prompt: string;
    readonly ttlSeconds?: number;
    readonly inputs?: readonly object[];
    readonly mask?: object;
  };
  /** Pictures that it brings. */
  readonly files: readonly PartToSend[];
  readonly headers: Readonly<Record<string, string>>;
  mediaId: string | null;
  /** Whether an answer confirmed that the service had accepted it. */
  accepted: boolean;
  /** The life in which it was first sent, and whether a connection broke before an answer came. */
  readonly life: number;
  broken: boolean;
  /** How many sends of it have no answer yet. It is not deleted meanwhile: one that arrives after the DELETE would rightly be paid anew. */
  open: number;
  /** How often it was sent to the retry route, which may pay again each time. */
  retries: number;
  /** `begun` once it may be gone: a DELETE was sent, or it has a ttl; `done` when the DELETE was answered. */
  deletion: 'begun' | 'done' | null;
}

export interface Load {
  readonly random: () => number;
  readonly clientRequests: ClientRequest[];
  readonly dialectCalls: DialectCall[];
  readonly violations: string[];
  /** Whether worker threads are killed. */
  readonly killsThreads: boolean;
  /** Pictures read so far. */
  reads: number;
}

/** One call, and what its clients know of it. Its prompt is unique, so that calls to the model can be matched to it. */
export interface DialectCall {
  readonly prompt: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** How many pictures it asks for. */
  readonly count: number;
  readonly life: number;
  /** One, or two who send equal calls: with a key they mean the same pictures, without one each wants its own. */
  readonly clients: readonly DialectClient[];
}

export interface DialectClient {
  /** Whether it gives up connections early, as a proxy cuts them. */
  readonly isImpatient: boolean;
  /** How often it has sent the call. */
  sends: number;
  /** Whether an answer to its first send named the pictures: it has its own then, unless it sends a key. */
  isAccepted: boolean;
  /** Whether the connection of its first send broke before an answer came. */
  isBroken: boolean;
  /** The life of its first send. */
  life: number | null;
  task: string | null;
  answer: DialectAnswer | null;
}

/** What a client was given at the end. */
export interface DialectAnswer {
  /** The life in which it came. */
  readonly life: number;
  readonly status: 'succeeded' | 'failed';
  readonly mediaIds: readonly string[];
  /** SHA-256 of the pictures that the answer held. */
  readonly pictures: readonly string[];
}

export interface Round extends Load {
  readonly upstream: OpenAiServer;
  readonly folder: string;
  /** Settings that name the model catalog. */
  readonly models: Readonly<Record<string, string>>;
  /** Ids of the attempts that were in flight at a kill, by prompt. */
  readonly lost: Map<string, Set<string>>;
  readonly gently: boolean;
  killedThreads: number;
}
