import { describe, expect, it, test } from 'vitest';
import { createWebhookSender } from '../../../src/adapters/webhooks/sender.ts';
import { allowedHostText } from '../../../src/security/allow-list.ts';
import { createSecretMask } from '../../../src/security/secret-mask.ts';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import { type Reaction, startReceiver, TEST_SECRET } from '../../support/network/webhook-receiver.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';

const message = { id: 'msg_1', body: JSON.stringify({ type: 'image.succeeded', data: { mediaId: 'hero' } }) };

function sender({ secrets = [TEST_SECRET], allow = ['127.0.0.1'], now = Date.now, timeoutMs = LONGEST_WAIT_MS } = {}) {
  const guard = createGuardedFetch({ allow: allow.map((host) => allowedHostText.parse(host)) });
  const { send } = createWebhookSender({
    secrets,
    guard,
    maskSecrets: createSecretMask([...secrets, 'localhost']).mask,
    clock: { now },
    userAgent: 'Easel/test',
    timeoutMs,
  });
  return {
    send: (url: string, signal = new AbortController().signal) => send({ ...message, url }, signal),
    [Symbol.asyncDispose]: () => guard.close(),
  };
}

it('why there was no answer holds no secret', async () => {
  await using to = sender({ allow: [] });
  const { error } = await to.send('http://localhost/hook');
  expect(error).toMatch(/^\[secret\] has an address that is not public/);
});

describe('a message', () => {
  it('has the headers of Standard Webhooks, with the time in seconds', async () => {
    await using receiver = await startReceiver();
    const now = Date.now();
    await using to = sender({ now: () => now });
    expect(await to.send(receiver.url)).toEqual({ httpStatus: 204, error: null, refused: false });
    expect(receiver.received[0]?.message).toEqual(JSON.parse(message.body));
    expect(receiver.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Easel/test',
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now / 1000)),
      'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    });
  });

  it('verifies with each of several secrets, and with no other', async () => {
    const next = `whsec_${Buffer.alloc(24, 8).toString('base64')}`;
    const other = `whsec_${Buffer.alloc(24, 9).toString('base64')}`;
    await using to = sender({ secrets: [TEST_SECRET, next] });
    const statuses: (number | null)[] = [];
    for (const secret of [TEST_SECRET, next, other]) {
      await using receiver = await startReceiver(secret);
      statuses.push((await to.send(receiver.url)).httpStatus);
    }
    expect(statuses).toEqual([204, 204, 400]);
  });
});

test.each([
  ['user:pass', 'user:pass'],
  ['user', 'user:'],
  ['us%40er:p%3Aw%C3%A9', 'us@er:p:wé'],
  ['a%b:c', 'a%b:c'],
])('credentials in the URL, %s, are sent as Basic', async (credentials, sent) => {
  await using receiver = await startReceiver();
  await using to = sender();
  expect(await to.send(receiver.url.replace('//', `//${credentials}@`))).toMatchObject({ httpStatus: 204 });
  const authorization = receiver.received[0]?.headers.authorization ?? '';
  expect(authorization).toMatch(/^Basic /);
  expect(Buffer.from(authorization.slice(6), 'base64').toString()).toBe(sent);
});

/** A time limit within which the head of an answer comes on a busy machine too, in milliseconds. */
const HEAD_CAME_MS = 3_000;

describe('a receiver that', () => {
  test.each<[string, Reaction, number | null, RegExp | null, number?]>([
    ['answers 200 with 10 MB', { status: 200, body: Buffer.alloc(10_000_000) }, 200, null],
    ['redirects', { status: 307, headers: { location: 'http://127.0.0.1:1/' } }, 307, /redirects/],
    ['answers 410', { status: 410 }, 410, /410/],
    ['answers 500', { status: 500 }, 500, /answered 500/],
    ['hangs', { delivery: { beforeHeaders: 'forever' } }, null, /within 0.4 s/, 400],
    [
      'stops after the headers',
      { status: 200, body: 'x', delivery: { beforeBody: 'forever' } },
      200,
      null,
      HEAD_CAME_MS,
    ],
    [
      'never ends its body',
      { status: 200, body: 'xx', delivery: { cut: { after: { bytes: 1 }, by: 'hang' } } },
      200,
      null,
      HEAD_CAME_MS,
    ],
    [
      'breaks its body off',
      { status: 200, body: 'xx', delivery: { cut: { after: { bytes: 1 }, by: 'close' } } },
      200,
      null,
    ],
    [
      'resets in its body',
      { status: 202, body: 'xx', delivery: { cut: { after: { bytes: 1 }, by: 'reset' } } },
      202,
      null,
    ],
    [
      'breaks off the body of a 410',
      { status: 410, body: 'xx', delivery: { cut: { after: { bytes: 1 }, by: 'close' } } },
      410,
      /410/,
    ],
    [
      'drips',
      { status: 200, body: Buffer.alloc(1000), delivery: { drip: { bytes: 1, pause: 20 } } },
      200,
      null,
      HEAD_CAME_MS,
    ],
    ['resets the connection', { delivery: { cut: { after: 'nothing', by: 'reset' } } }, null, /no answer/],
  ])('%s', async (_how, reaction, httpStatus, error, timeoutMs) => {
    await using receiver = await startReceiver();
    receiver.always(reaction);
    await using to = sender(timeoutMs === undefined ? {} : { timeoutMs });
    expect(await to.send(receiver.url)).toEqual({
      httpStatus,
      error: error && expect.stringMatching(error),
      refused: false,
    });
    expect(receiver.received).toHaveLength(1);
  });

  test('refuses connections', async () => {
    const receiver = await startReceiver();
    await receiver[Symbol.asyncDispose]();
    await using to = sender();
    expect(await to.send(receiver.url)).toMatchObject({ httpStatus: null, error: 'there was no answer: ECONNREFUSED' });
  });

  test('has an address that is not allowed is refused by the SSRF guard, without a connection', async () => {
    await using receiver = await startReceiver();
    await using to = sender({ allow: [] });
    const answer = await to.send(receiver.url);
    expect(answer).toEqual({ httpStatus: null, error: expect.stringContaining('not public'), refused: true });
    expect(receiver.received).toHaveLength(0);
  });

  test('hangs while the service stops is abandoned at once', async () => {
    await using receiver = await startReceiver();
    receiver.always({ delivery: { beforeHeaders: 'forever' } });
    await using to = sender();
    const stopping = new AbortController();
    const sent = to.send(receiver.url, stopping.signal);
    await receiver.came(1);
    const reason = new Error('the service stops');
    stopping.abort(reason);
    await expect(sent).rejects.toBe(reason);
  });
});
