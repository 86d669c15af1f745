/** What a round of torture knows: its clients' requests, with what they were answered, and the losses at the service's deaths. */

import type { PartToSend } from '../support/multipart.ts';
import type { OpenAiServer } from '../support/openai/server.ts';

/** One request of a client, and what the client knows of it. Its prompt is unique, so that calls can be matched to it. */
export interface ClientRequest {
  readonly body: {
    readonly mediaId?: string;
    readonly prompt: string;
    readonly ttlSeconds?: number;
    readonly webhookUrl?: string;
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

/** What the clients send to: one service, or whichever of several replicas each request goes to. */
export interface Target {
  /** Read anew for each request. */
  readonly url: string;
  /** Whether an answer may still come. */
  readonly isAlive: boolean;
}

export interface Load {
  readonly random: () => number;
  readonly clientRequests: ClientRequest[];
  readonly dialectCalls: DialectCall[];
  readonly violations: string[];
  /** Whether worker threads are killed. */
  readonly killsThreads: boolean;
  /** Whether the records or the pictures of a cluster cannot be reached at the moment: published pictures may be refused then. */
  isStorageBroken?: boolean;
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

/** What the audit of requests and calls needs to know of a round. */
export interface Audited extends Pick<Load, 'clientRequests' | 'killsThreads'> {
  readonly upstream: OpenAiServer;
  /** Ids of the attempts that were in flight at a kill, by prompt. */
  readonly lost: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether `lost` has them all. Where it has not, each attempt of unknown outcome that got no answer counts as one. */
  readonly knowsLosses: boolean;
  /** Whether several processes make pictures, so that one which was held up may close its attempt after another has begun the next. */
  readonly isCluster?: boolean;
}

export interface Round extends Load, Audited {
  readonly folder: string;
  /** Settings that name the model catalog. */
  readonly models: Readonly<Record<string, string>>;
  readonly lost: Map<string, Set<string>>;
  readonly gently: boolean;
  killedThreads: number;
}
