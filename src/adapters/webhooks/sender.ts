import { Webhook } from 'standardwebhooks';
import { keepOutsideText, type MaskSecrets } from '../../core/domain/text/outside-text.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { WebhookResponse, WebhookSender } from '../../core/ports/webhooks.ts';
import { type GuardedFetch, RefusedAddressError } from '../../security/ssrf-guard.ts';

interface WebhookSenderOptions {
  /** Each is `whsec_` followed by base64. Every message is signed with all of them, so that secrets can be rotated. */
  readonly secrets: readonly string[];
  readonly guard: GuardedFetch;
  /** Applied to why a message was not delivered. */
  readonly maskSecrets: MaskSecrets;
  readonly clock: Pick<Clock, 'now'>;
  readonly userAgent: string;
  /** Milliseconds for one try as a whole; 10 s by default. */
  readonly timeoutMs?: number;
}

/**
 * Sends messages by the Standard Webhooks specification, https://www.standardwebhooks.com: every try of a message has the same id and a
 * timestamp of its own. Redirects are not followed. The status alone decides: a body that breaks off or never ends changes nothing.
 */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { guard, maskSecrets, clock, userAgent, timeoutMs = 10_000 } = options;
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
      const request = { method: 'POST', headers, body, timeoutMs, maxBytes: null, signal } as const;
      try {
        const { status } = await guard.fetch(url, request);
        return { httpStatus: status, error: describeStatus(status), refused: false };
      } catch (error) {
        signal.throwIfAborted();
        const { error: reason, ...response } = toFailedResponse(error, timeoutMs);
        return { ...response, error: keepOutsideText(reason, MAX_REASON, maskSecrets) };
      }
    },
  };
}

/** What is kept of why there was no answer, in characters: it may name the receiver's host. */
const MAX_REASON = 300;

/** Why the status is a failed delivery; null for 2xx. */
function describeStatus(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `the receiver redirects (${status}), and redirects are not followed`;
  if (status === 410) return 'the receiver wants no more webhooks (410)';
  return `the receiver answered ${status}`;
}

function toFailedResponse(error: unknown, timeoutMs: number): WebhookResponse & { readonly error: string } {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (error instanceof RefusedAddressError) return { httpStatus: null, error: message, refused: true };
  const reason =
    name === 'TimeoutError'
      ? `there was no answer within ${timeoutMs / 1000} s`
      : `there was no answer: ${code ?? name}`;
  return { httpStatus: null, error: reason, refused: false };
}
