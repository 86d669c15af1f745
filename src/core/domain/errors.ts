import type { Check } from './checks.ts';
import type { AttemptOutcome } from './image.ts';

/** Error codes of the core, independent of HTTP: a closed list. `api/problem-kinds.ts` must give each a status to compile. */
export const IMAGE_ERROR_CODES = [
  /** The request contradicts itself or names something that does not exist, such as a preset. */
  'invalid_request',
  /** There is no such image, delivery or cleanup report. */
  'not_found',
  /** The mediaId is in use for another request. */
  'media_id_conflict',
  /** The image runs or has succeeded: there is nothing to run again. */
  'not_retryable',
  /** The idempotency key is in use for another request. */
  'idempotency_key_reused',
  /** A picture that the request brings has more bytes than the model takes. */
  'payload_too_large',
  /** The model cannot do what the request asks for. */
  'unsupported_parameter',
  /** The daily budget does not cover the call. */
  'budget_exhausted',
  /** The queue is full or the process is overloaded, and the image was not accepted. */
  'queue_full',
  /** The provider's safety system refused the prompt. */
  'prompt_rejected',
  /** The provider returned no picture. */
  'provider_failed',
  /** The provider did not answer in time. */
  'provider_timeout',
  /** Every provider that could make the picture is down: it was not accepted, or has waited for them until its deadline. */
  'provider_unavailable',
  /** The picture cannot be decoded or finished, or failed its checks. */
  'invalid_image',
  /** A fault of this program or of the machine. It says nothing against the request or the picture. */
  'internal_error',
  /** The disk has no room. */
  'storage_full',
  /** The media store or the database cannot be read or written. */
  'storage_unavailable',
  /** The process is stopping and accepts no new work. */
  'shutting_down',
] as const;
export type ImageErrorCode = (typeof IMAGE_ERROR_CODES)[number];

/** Codes of failures that the caller caused: the service did what it should. */
const CALLERS_CODES: ReadonlySet<ImageErrorCode> = new Set([
  'invalid_request',
  'payload_too_large',
  'unsupported_parameter',
  'budget_exhausted',
  'prompt_rejected',
]);

/** True for an image's failure that is none of the service or its providers. */
export function isCausedByCaller(code: ImageErrorCode): boolean {
  return CALLERS_CODES.has(code);
}

/** One part of a request that is wrong. */
interface PathIssue {
  /** Such as `size` or `renditions.0`. */
  readonly path: string;
  readonly message: string;
}

export interface ImageErrorOptions extends ErrorOptions {
  readonly paths?: readonly PathIssue[];
  readonly retryAfterSeconds?: number;
  /** True for a fault that waiting does not end, such as a folder in the place of a file. */
  readonly isLasting?: boolean;
  /** The image that the error is about. */
  readonly mediaId?: string;
  /** Results of the picture's checks, with `invalid_image`. */
  readonly checks?: readonly Check[];
}

/** An expected failure: a code of the closed list, and a message that may be shown to the caller and says what to do. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;
  readonly paths: readonly PathIssue[];
  readonly retryAfterSeconds: number | null;
  readonly isLasting: boolean;
  readonly mediaId: string | null;
  readonly checks: readonly Check[];

  constructor(code: ImageErrorCode, detail: string, options: ImageErrorOptions = {}) {
    super(detail, options);
    this.code = code;
    this.paths = options.paths ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
    this.isLasting = options.isLasting ?? false;
    this.mediaId = options.mediaId ?? null;
    this.checks = options.checks ?? [];
  }
}

/** Why a call to a provider returned no picture. */
export type ProviderFault =
  /** Its safety system refused the prompt. */
  | 'refused'
  /** It did not accept the request for another reason (400, 404, 422 …). */
  | 'rejected'
  /** Key, quota, billing or verification: every call fails until the operator acts. */
  | 'account'
  /** 429, or a rate limit error inside a stream: try later. */
  | 'rate_limited'
  /** 408, 409, 521, and a 5xx that the API itself sent. */
  | 'overloaded'
  /** 502, 504, 522 to 524, and any other 5xx that is not the API's own: a gateway may have sent it after the model had begun. */
  | 'gateway'
  /** The server refused a parameter that makes no other picture, before it made anything: the same call without it may work. */
  | 'parameter_refused'
  /** The server has no endpoint for edits: another provider may have one. */
  | 'edits_refused'
  /** The request was never sent. */
  | 'unreachable'
  /** The connection broke after the request was sent. */
  | 'interrupted'
  /** No complete answer in time. */
  | 'timeout'
  /** A successful answer without a readable picture. */
  | 'empty'
  /** The signal of the call was aborted. */
  | 'cancelled';

export interface ProviderErrorOptions extends ErrorOptions {
  readonly httpStatus?: number | null;
  readonly providerRequestId?: string | null;
  /** Milliseconds to wait, from the provider's `Retry-After`. */
  readonly retryAfterMs?: number | null;
  /** The message as it may be logged; by default the message itself. */
  readonly reason?: string;
  /** With `parameter_refused`, its name on the wire. */
  readonly parameter?: string | null;
  /** Whether the call was lost in this process, which says nothing about the provider; false by default. */
  readonly isOurs?: boolean;
}

/** Raised by providers. The message may be shown to the caller: it never holds a key or a whole answer. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly fault: ProviderFault;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  readonly retryAfterMs: number | null;
  /** The message as it may be logged and traced: without the prompt, where the provider quotes that and prompts are not logged. */
  readonly reason: string;
  readonly parameter: string | null;
  /** The call was lost in this process: the provider may work. */
  readonly isOurs: boolean;

  constructor(fault: ProviderFault, detail: string, options: ProviderErrorOptions = {}) {
    super(detail, options);
    this.fault = fault;
    this.httpStatus = options.httpStatus ?? null;
    this.providerRequestId = options.providerRequestId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.reason = options.reason ?? detail;
    this.parameter = options.parameter ?? null;
    this.isOurs = options.isOurs ?? false;
  }

  /** How the attempt ended: `unknown` where the call may have been billed, `failed` where it is known not to have been. */
  get outcome(): Exclude<AttemptOutcome, 'ok'> {
    switch (this.fault) {
      case 'gateway':
      case 'interrupted':
      case 'timeout':
      case 'empty':
        return 'unknown';
      case 'cancelled':
        return 'cancelled';
      default:
        return 'failed';
    }
  }
}

/** The message of an error as it may be logged and traced, also where it holds that of the `ProviderError` that is its cause. */
export function reasonOf(error: Error): string {
  if (error instanceof ProviderError) return error.reason;
  const { cause, message } = error;
  return cause instanceof ProviderError ? message.replaceAll(cause.message, () => cause.reason) : message;
}

/** The fields of a log line about an error. An expected one, or one of the system, needs no stack: its reason says what there is. */
export function faultFields(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof ImageError) return { code: error.code, reason: reasonOf(error) };
  if (error instanceof ProviderError) return { fault: error.fault, reason: error.reason };
  if (error instanceof Error && 'syscall' in error && 'code' in error)
    return { code: error.code, reason: error.message };
  return { err: error };
}

/** The bytes of an original are not those that were stored. */
export class DamagedOriginalError extends Error {
  override readonly name = 'DamagedOriginalError';
}

/** Raised when another process, or another part of this one, has the database open. */
export class DatabaseInUseError extends Error {
  override readonly name = 'DatabaseInUseError';
  readonly path: string;
  /** Who has it, such as `pid 7 on web-1`. */
  readonly holder: string;

  constructor(path: string, holder: string, options?: ErrorOptions) {
    super(
      `another Easel process (${holder}) is using ${path}; stop it first, or give this one another DATABASE_URL`,
      options,
    );
    this.path = path;
    this.holder = holder;
  }
}

/** Raised when another process, or another part of this one, uses the folder of the pictures. */
export class MediaInUseError extends Error {
  override readonly name = 'MediaInUseError';

  constructor(folder: string, holder: string, options?: ErrorOptions) {
    super(
      `another Easel process (${holder}) is using the folder ${folder}; stop it first, or give this one another MEDIA_DIR`,
      options,
    );
  }
}

/** Raised when the media store belongs to another database, or may: a setting is wrong. `finding` is the beginning of the message. */
export class ForeignMediaError extends Error {
  override readonly name = 'ForeignMediaError';

  constructor(finding: string) {
    super(
      `${finding}; correct MEDIA_DIR, S3_BUCKET or DATABASE_URL, or set ADOPT_MEDIA=true if it is to be this database's from now on`,
    );
  }
}

/**
 * Raised at the start where the storage that a setting leads to cannot be used until that, or the setting, is changed. The message is one
 * sentence, with the setting before it.
 */
export class StorageSetupError extends Error {
  override readonly name = 'StorageSetupError';
}

/** Raised where a database holds other records than those that are to be moved into it. The message says what to do. */
export class ForeignRecordsError extends Error {
  override readonly name = 'ForeignRecordsError';
}
