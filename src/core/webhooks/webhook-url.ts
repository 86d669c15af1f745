import { ImageError } from '../domain/errors.ts';

/** Raises `invalid_request` for a `webhookUrl` that nothing would be sent to. Null and undefined pass: they name no receiver. */
export type CheckWebhookUrl = (url: string | null | undefined) => void;

/** Creates the check. `refusal` says why a URL would be refused at every try, or null where that cannot be known beforehand. */
export function createWebhookUrlCheck(refusal: (url: string) => string | null): CheckWebhookUrl {
  return (url) => {
    const reason = url == null ? null : refusal(url);
    if (reason === null) return;
    throw new ImageError('invalid_request', 'wrong in the body: `webhookUrl`; see errors', {
      paths: [{ path: 'webhookUrl', message: `${reason} (WEBHOOK_ALLOW_HOSTS)` }],
    });
  };
}
