import { Webhook } from 'standardwebhooks';
import type { Clock } from '../../core/ports/clock.ts';
import type { WebhookResponse, WebhookSender } from '../../core/ports/webhooks.ts';
import { type GuardedFetch, RefusedAddressError } from '../../security/ssrf-guard.ts';

export interface WebhookSenderOptions {
  /** Each `whsec_` and base64. A message bears a signature by every one, so that receivers can change over in their own time. */
  readonly secrets: readonly string[];
  readonly guard: GuardedFetch;
  readonly clock: Pick<Clock, 'now'>;
  readonly userAgent: string;
  /** For one try as a whole; 10 s unless told. */
  readonly timeoutMs?: number;
}

/** Enough for any receiver to say what it likes; nobody reads it. */
const MAX_ANSWER_BYTES = 16 * 1024;

/**
 * Sends messages by the Standard Webhooks specification, https://www.standardwebhooks.com: the id is the message's, the
 * timestamp the try's own. Redirects are not followed, and no more is read of an answer than is polite.
 */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { guard, clock, userAgent, timeoutMs = 10_000 } = options;
  const signers = options.secrets.map((secret) => new Webhook(secret));

  return {
    async send({ id, url, body }, signal) {
      const now = new Date(clock.now());
      const headers = {
        'content-type': 'application/json',
        'user-agent': userAgent,
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
        'webhook-signature': signers.map((signer) => signer.sign(id, now, body)).join(' '),
      };
      const request = { method: 'POST', headers, body, timeoutMs, maxBytes: MAX_ANSWER_BYTES, signal } as const;
      try {
        const { status } = await guard.fetch(url, request);
        return { httpStatus: status, error: describeStatus(status), refused: false };
      } catch (error) {
        signal.throwIfAborted();
        return toFailedResponse(error, timeoutMs);
      }
    },
  };
}

function describeStatus(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `the receiver redirects (${status}), and redirects are not followed`;
  if (status === 410) return 'the receiver wants no more of it (410)';
  return `the receiver answered ${status}`;
}

function toFailedResponse(error: unknown, timeoutMs: number): WebhookResponse {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (error instanceof RefusedAddressError) return { httpStatus: null, error: message, refused: true };
  const late = name === 'TimeoutError';
  const reason = late
    ? `there was no whole answer within ${timeoutMs / 1000} s`
    : `there was no answer: ${code ?? name}`;
  return { httpStatus: null, error: reason, refused: false };
}
