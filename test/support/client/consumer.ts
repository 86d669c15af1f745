/** What a project writes that uses the client: `package.test.ts` type-checks it against the package. It is not run. */

import {
  createEasel,
  type Easel,
  EaselError,
  type EaselErrorCode,
  type GenerateRequest,
  type ImageRecord,
  verifyWebhook,
  WebhookError,
  type WebhookMessage,
} from '../../../src/client/client.ts';

const request = {
  brief: { subject: 'a lighthouse', avoid: ['people'] },
  quality: 'high',
  renditions: ['1200x675.png'],
  inputs: [{ file: new Blob([]) }, { mediaId: 'logo' }],
} as const satisfies GenerateRequest;

/** Uses all that there are types for; what must not compile is marked. */
export async function consume(): Promise<readonly unknown[]> {
  const easel: Easel = createEasel({
    baseUrl: new URL('https://easel.example/api'),
    apiKey: 'k',
    fetch,
    maxRetries: 3,
  });
  const limits = { signal: AbortSignal.timeout(1000), timeoutMs: 1000 };
  const record: ImageRecord = await easel.generate(request, { ...limits, idempotencyKey: 'k' });
  const status: 'succeeded' | 'failed' | 'cancelled' | 'queued' | 'generating' | 'processing' = record.status;
  // What may be undefined can be passed on as it is.
  const seen: unknown[] = [status, await easel.usage({ from: record.startedAt ?? undefined, to: undefined })];
  for await (const event of easel.events('x', { lastEventId: record.sha256 ?? undefined })) {
    if (event.type === 'done') seen.push(event.data.url?.length);
    // @ts-expect-error A partial picture has no url.
    if (event.type === 'partial') seen.push(event.data.url);
  }
  for await (const { mediaId } of easel.list({ status: ['failed'], limit: 3 })) seen.push(mediaId);
  try {
    const picture: Response = await easel.media(record.url ?? '');
    seen.push(picture);
  } catch (error) {
    if (error instanceof EaselError && error.code === 'rate_limited')
      seen.push(error.retryAfter?.toFixed(), error.errors?.[0]?.path);
    if (error instanceof EaselError && error.problem !== null) seen.push(error.problem.detail.length);
  }
  // @ts-expect-error There is no such field.
  await easel.generate({ promt: 'x' });
  // @ts-expect-error There is no such quality.
  await easel.generate({ prompt: 'x', quality: 'best' });
  // @ts-expect-error There is no such code.
  const code: EaselErrorCode = 'nonsense';
  const message: WebhookMessage = await verifyWebhook('', new Headers(), 'whsec_');
  const again = await easel.verifyWebhook(new Uint8Array(), { 'webhook-id': ['a'], other: undefined }, 'whsec_');
  return [...seen, message.data.mediaId, again.type === 'image.failed', code, WebhookError.name];
}
