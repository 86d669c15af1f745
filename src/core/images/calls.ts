import type { Image } from '../domain/image.ts';
import type { Caller, CreateImage } from '../domain/request.ts';
import type { SubmitOptions } from './admission.ts';

/** The images that one call of the OpenAI dialect asked for, in order. */
export interface PictureCall {
  readonly id: string;
  readonly images: readonly Image[];
}

/** What tells whether a call is another one sent again. */
export interface CallIdentity {
  /** SHA-256, in hex, of what the call asks for: route, fields, values and file contents. */
  readonly digest: string;
  readonly idempotencyKey: string | null;
  /** How often the client has sent the call before, as it says; null where it does not say. */
  readonly retryCount: number | null;
}

/** A call that a client waits for, until it is disposed of. */
export interface OpenCall extends PictureCall, Disposable {
  /** True where this request started the call's images, false where it joined or collected them. */
  readonly started: boolean;
}

/**
 * The calls of the OpenAI dialect. A fresh call (retry count 0 or unknown, and no key) always makes new images; all of them are admitted,
 * or none. One with the key of an earlier call, or that says it is a retry of an equal one of the same caller, joins that: the oldest that
 * no open call waits for, and that `chooseCall` prefers, else the oldest. While an equal call is being accepted a retry waits, so that it
 * does not overtake what it repeats. A finished call is given to retries for 10 minutes from its end, over restarts, and by its key as long
 * as its record is kept; one without a picture runs again as far as `canRunAgain` allows.
 */
export interface Calls {
  /** Raises what `Images.submit` raises. The mediaIds are made here. */
  submit(
    create: Omit<CreateImage, 'mediaId'>,
    count: number,
    caller: Caller,
    identity: CallIdentity,
    options?: SubmitOptions,
  ): Promise<OpenCall>;
  /** True where `submit` would join or collect, and call no provider: such a request takes no rate-limit token. */
  isKnown(caller: Caller, identity: CallIdentity): Promise<boolean>;
  /**
   * Resolves with the images that are still there, as they are then: when all are finished, when `timeoutMs` has passed, when `signal`
   * fires or when the service begins to stop. Where all are finished and the signal has not fired, the call counts as delivered. Raises
   * `not_found` where every one was deleted.
   */
  wait(call: PictureCall, timeoutMs: number, signal: AbortSignal): Promise<PictureCall>;
  /**
   * The client has an answer that names the images, without `wait`: an asynchronous one, or a stream that has ended. Retries of equal
   * calls then rather join others.
   */
  noteDelivered(call: PictureCall): void;
  /**
   * The call leaves its images: where no other open call waits for them, those that are not finished are cancelled. For callers that ask
   * for it when they close the connection.
   */
  cancelUnlessAwaited(call: OpenCall, caller: Caller): Promise<void>;
  /** The call that an image belongs to; one of `POST /images` is a call of its own. Raises `not_found` as `Images.get` does. */
  find(mediaId: string, caller: Caller): Promise<PictureCall>;
}
