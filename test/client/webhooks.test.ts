import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { verifyWebhook, WebhookError } from '../../src/client/client.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const BODY = JSON.stringify({
  type: 'image.succeeded',
  timestamp: '2026-11-28T00:00:00.000Z',
  data: { mediaId: 'zoë' },
});
const NOW = new Date('2026-11-28T00:00:00.000Z');

/** The headers of a message that was signed so many seconds ago, by the library of the standard. */
function signed({ secret = SECRET, secondsAgo = 0, body = BODY } = {}) {
  const at = new Date(NOW.getTime() - secondsAgo * 1000);
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(at.getTime() / 1000),
    'webhook-signature': new Webhook(secret).sign('msg_1', at, body),
  };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: NOW }));
afterEach(() => void vi.useRealTimers());

test('a message is taken as text or bytes, with the headers of a Request or of Node', async () => {
  const headers = signed();
  const bytes = new TextEncoder().encode(BODY);
  const capital = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]));
  for (const body of [BODY, bytes, bytes.buffer, Buffer.from(BODY)]) {
    for (const given of [headers, new Headers(headers), capital]) {
      expect(await verifyWebhook(body, given, SECRET)).toEqual(JSON.parse(BODY));
    }
  }
});

test('one of several signatures is enough', async () => {
  const headers = signed();
  const others = `v1a,AAAA ${signed({ secret: OTHER })['webhook-signature']} v1,not/base64! v1,`;
  const several = { ...headers, 'webhook-signature': `${others} ${headers['webhook-signature']}` };
  expect(await verifyWebhook(BODY, several, SECRET)).toEqual(JSON.parse(BODY));
  const none = verifyWebhook(BODY, { ...headers, 'webhook-signature': others }, SECRET);
  await expect(none).rejects.toThrow('no signature of the message is made with this secret');
});

test('five minutes either way are the limit', async () => {
  for (const secondsAgo of [300, -300]) {
    expect(await verifyWebhook(BODY, signed({ secondsAgo }), SECRET)).toEqual(JSON.parse(BODY));
  }
  await expect(verifyWebhook(BODY, signed({ secondsAgo: 301 }), SECRET)).rejects.toThrow('too old');
  await expect(verifyWebhook(BODY, signed({ secondsAgo: -301 }), SECRET)).rejects.toThrow('from the future');
});

test('another body, id or time is refused, and a missing header', async () => {
  const headers = signed();
  const later = String(Number(headers['webhook-timestamp']) + 1);
  for (const [body, given] of [
    [BODY.replace('zoë', 'zoe'), headers],
    [BODY, { ...headers, 'webhook-id': 'msg_2' }],
    [BODY, { ...headers, 'webhook-timestamp': later }],
    [BODY, { ...headers, 'webhook-timestamp': '1e9' }],
    [BODY, { ...headers, 'webhook-id': undefined }],
    [BODY, new Headers()],
  ] as const) {
    await expect(verifyWebhook(body, given, SECRET)).rejects.toBeInstanceOf(WebhookError);
  }
});

test('a secret that is none, and a body that was parsed, are mistakes of the caller', async () => {
  for (const secret of ['', 'whsec_', 'whsec_###', SECRET.slice('whsec_'.length)]) {
    await expect(verifyWebhook(BODY, signed(), secret)).rejects.toThrow('secret must be whsec_ and base64');
  }
  const unset = undefined as unknown as string;
  await expect(verifyWebhook(BODY, signed(), unset)).rejects.toThrow('secret must be whsec_ and base64');
  await expect(verifyWebhook(JSON.parse(BODY), signed(), SECRET)).rejects.toThrow('body must be what came');
});
