import type { Check } from './checks.ts';
import type { AttemptOutcome } from './image.ts';

/** What can go wrong with an image, apart from any transport. `http/problem.ts` gives each its status. */
export type ImageErrorCode =
  | 'invalid_request'
  | 'not_found'
  | 'media_id_conflict'
  | 'unsupported_parameter'
  | 'prompt_rejected'
  | 'idempotency_key_reused'
  | 'budget_exhausted'
  | 'queue_full'
  | 'provider_failed'
  | 'provider_timeout'
  | 'provider_unavailable'
  | 'invalid_image'
  | 'storage_full'
  | 'storage_unavailable'
  | 'shutting_down';

interface ImageErrorOptions extends ErrorOptions {
  /** Which parts of the request are at fault, as paths like `renditions.0`. */
  readonly paths?: readonly { readonly path: string; readonly message: string }[];
  /** When it is worth trying again. */
  readonly retryAfterSeconds?: number;
  /** The image that the error is about, where there is one. */
  readonly mediaId?: string;
  /** What the picture's checks found, with `invalid_image`. */
  readonly checks?: readonly Check[];
}

/** A failure with a code from the closed list and a sentence that a caller can act on. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;
  readonly paths: readonly { readonly path: string; readonly message: string }[];
  readonly retryAfterSeconds: number | null;
  readonly mediaId: string | null;
  readonly checks: readonly Check[];

  constructor(code: ImageErrorCode, detail: string, options: ImageErrorOptions = {}) {
    super(detail, options);
    this.code = code;
    this.paths = options.paths ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
    this.mediaId = options.mediaId ?? null;
    this.checks = options.checks ?? [];
  }
}

/**
 * Why a call to a provider brought no picture:
 * - `refused`: its safety system said no to the prompt;
 * - `rejected`: it did not accept the request for another reason (400, 404, 422 …);
 * - `account`: key, quota, billing or verification: nothing will work until the operator acts;
 * - `rate_limited`: try later;
 * - `overloaded`: 408, 409 and 5xx;
 * - `unreachable`: the request never left;
 * - `interrupted`: the connection broke after the request left;
 * - `timeout`: no whole answer in time;
 * - `empty`: an answer of success without a readable picture;
 * - `cancelled`: the caller of the provider gave up.
 */
export type ProviderFault =
  | 'refused'
  | 'rejected'
  | 'account'
  | 'rate_limited'
  | 'overloaded'
  | 'unreachable'
  | 'interrupted'
  | 'timeout'
  | 'empty'
  | 'cancelled';

interface ProviderErrorOptions extends ErrorOptions {
  readonly httpStatus?: number | null;
  readonly providerRequestId?: string | null;
  /** What the provider asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | null;
}

/** Raised by providers. The message is fit for the caller: it never holds a key or a whole answer. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly fault: ProviderFault;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  readonly retryAfterMs: number | null;

  constructor(fault: ProviderFault, detail: string, options: ProviderErrorOptions = {}) {
    super(detail, options);
    this.fault = fault;
    this.httpStatus = options.httpStatus ?? null;
    this.providerRequestId = options.providerRequestId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  /** `unknown` where the call may have been billed, `failed` where it is known not to have been. */
  get outcome(): Exclude<AttemptOutcome, 'ok'> {
    switch (this.fault) {
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

/** Raised when another process, or another part of this one, already has the database open. */
export class DatabaseInUseError extends Error {
  override readonly name = 'DatabaseInUseError';
  readonly path: string;

  constructor(path: string, holder: string, options?: ErrorOptions) {
    super(
      `another Easel process (${holder}) is using ${path}; stop it first, or give this one another DATABASE_URL`,
      options,
    );
    this.path = path;
  }
}
