import { readFile, stat } from 'node:fs/promises';
import { describe, expect, it, test } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { startReceiver, TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';
import { eventually } from '../support/until.ts';

const prompt = 'a lighthouse at dusk';
const env = { WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' };

interface Shown {
  readonly id: string;
  readonly type: string;
  readonly url: string;
  readonly status: string;
  readonly attempts: readonly {
    readonly at: string;
    readonly httpStatus: number | null;
    readonly error: string | null;
  }[];
  readonly nextAttemptAt: string | null;
}

async function deliveries(url: string, mediaId: string, headers = {}): Promise<readonly Shown[]> {
  const response = await fetch(`${url}/images/${mediaId}/deliveries`, { headers });
  return ((await response.json()) as { items: Shown[] }).items;
}

/** The latest delivery about the image, once it has this status. */
async function settled(easel: { readonly url: string }, mediaId: string, status: string): Promise<Shown> {
  return await eventually(async () => {
    const [latest] = await deliveries(easel.url, mediaId);
    if (latest?.status !== status) throw new Error(`it is ${JSON.stringify(latest)}`);
    return latest;
  });
}

const redeliver = (easel: Easel, mediaId: string, id: string, headers = {}) =>
  fetch(`${easel.url}/images/${mediaId}/deliveries/${id}/redeliver`, { method: 'POST', headers });

describe('a webhookUrl at a literal address that is not public', () => {
  it.each([
    'http://127.0.0.1/hook',
    'http://10.0.0.1',
    'https://[::1]:8443/hook',
    'http://[::ffff:10.0.0.1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://user:hunter2@192.168.1.1/',
  ])('%s is a 400 that names it, before anything is accepted', async (webhookUrl) => {
    await using easel = await startEasel({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1:9, example.com' } });
    for (const path of ['/images', '/images/preview']) {
      const answer = await fetch(`${easel.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ mediaId: 'a', prompt, webhookUrl }),
      });
      const text = await answer.text();
      expect(answer.status).toBe(400);
      expect(JSON.parse(text)).toMatchObject({
        code: 'invalid_request',
        errors: [{ path: 'webhookUrl', message: expect.stringMatching(/not public .*WEBHOOK_ALLOW_HOSTS/) }],
      });
      expect(text).not.toContain('hunter2');
    }
    expect((await easel.get('/images/a')).status).toBe(404);
    expect(easel.upstream.calls).toEqual([]);
  });

  it.each(['http://127.0.0.1:9/hook', 'http://0x7f.1:9/hook', 'http://localhost:9/', 'http://93.184.215.14/'])(
    '%s is accepted where the address is public, allowed, or behind a name',
    async (webhookUrl) => {
      await using easel = await startEasel({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1:9' } });
      const answer = await easel.post({ prompt, webhookUrl }, { prefer: 'respond-async' });
      expect(answer.status).toBe(202);
    },
  );
});

test('credentials in a webhookUrl reach the receiver, and are shown nowhere', async () => {
  await using receiver = await startReceiver();
  await using easel = await startEasel({ env });
  const webhookUrl = receiver.url.replace('//', '//blog:hunter2@');
  receiver.script({ status: 500, body: 'no' });
  const answer = await easel.post({ mediaId: 'a', prompt, webhookUrl });
  const delivery = await settled(easel, 'a', 'delivered');
  expect(receiver.received.map(({ headers }) => headers.authorization)).toEqual(
    Array(2).fill(`Basic ${Buffer.from('blog:hunter2').toString('base64')}`),
  );
  expect(delivery.url).toBe(receiver.url.replace('//', '//***@'));
  const redelivered = await (await redeliver(easel, 'a', delivery.id)).text();
  const shown = [answer.body, await easel.record('a'), delivery, redelivered, receiver.received.at(-1)?.message];
  expect(JSON.stringify(shown) + easel.log.join('')).not.toMatch(/hunter2|blog:/);
});

describe('the end of a picture', () => {
  it('is sent once, however the image ends, with the record and a signature that verifies', async () => {
    await using receiver = await startReceiver();
    await using easel = await startEasel({ env });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture(), openAiError('moderation_blocked'), picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'good', prompt, webhookUrl: receiver.url });
    await easel.post({ mediaId: 'bad', prompt, webhookUrl: receiver.url });
    await easel.post({ mediaId: 'late', prompt, webhookUrl: receiver.url }, { prefer: 'respond-async' });
    await gate.reached();
    await easel.cancel('late');
    await receiver.came(3);

    const delivered = receiver.received.map(({ message }) => [message.type, message.data.mediaId]);
    expect(delivered.sort()).toEqual([
      ['image.cancelled', 'late'],
      ['image.failed', 'bad'],
      ['image.succeeded', 'good'],
    ]);
    const success = receiver.received.find(({ message }) => message.data.mediaId === 'good');
    expect(success?.message.data).toEqual(await easel.record('good'));
    expect(success?.message.timestamp).toBe(success?.message.data.completedAt);
    expect(await settled(easel, 'good', 'delivered')).toEqual({
      id: success?.headers['webhook-id'],
      type: 'image.succeeded',
      url: receiver.url,
      status: 'delivered',
      attempts: [{ at: expect.any(String), durationMs: expect.any(Number), httpStatus: 204, error: null }],
      nextAttemptAt: null,
    });
    await settled(easel, 'bad', 'delivered');
    await settled(easel, 'late', 'delivered');
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toContain('easel_webhook_deliveries_total{outcome="delivered"} 3');
  });

  it('is sent to the URL of the key where the request names none, and not at all where there is neither', async () => {
    await using receiver = await startReceiver();
    await using easel = await startEasel({
      env: { ...env, API_KEYS: TEST_KEYS, WEBHOOK_URLS: `blog=${receiver.url}/blog` },
    });
    await easel.post({ mediaId: 'plain', prompt }, bearer('blog'));
    await easel.post({ mediaId: 'named', prompt, webhookUrl: `${receiver.url}/named` }, bearer('blog'));
    await easel.post({ mediaId: 'silent', prompt }, bearer('shop'));
    await receiver.came(2);
    const urlsOf = async (mediaId: string) =>
      (await deliveries(easel.url, mediaId, bearer('boss'))).map(({ url }) => url);
    expect(await urlsOf('plain')).toEqual([`${receiver.url}/blog`]);
    expect(await urlsOf('named')).toEqual([`${receiver.url}/named`]);
    expect(await urlsOf('silent')).toEqual([]);
  });

  it('is signed without WEBHOOK_SECRET by a generated secret in a file beside the database', async () => {
    await using easel = await startEasel({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } });
    const path = `${easel.folder}/webhook-secret`;
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await using receiver = await startReceiver(await readFile(path, 'utf8'));
    await easel.post({ mediaId: 'hero', prompt, webhookUrl: receiver.url });
    await settled(easel, 'hero', 'delivered');
  });
});

describe('a delivery', () => {
  it('that fails is retried under the same id, each try with its own timestamp', async () => {
    await using receiver = await startReceiver();
    receiver.script({ status: 500 }, { status: 302, headers: { location: `${receiver.url}/elsewhere` } });
    await using easel = await startEasel({ env });
    await easel.post({ mediaId: 'hero', prompt, webhookUrl: receiver.url });
    const { id, attempts } = await settled(easel, 'hero', 'delivered');
    expect(attempts.map(({ httpStatus }) => httpStatus)).toEqual([500, 302, 204]);
    const headers = receiver.received.map((received) => received.headers);
    expect(headers.map((one) => one['webhook-id'])).toEqual([id, id, id]);
    const times = headers.map((one) => Number(one['webhook-timestamp']));
    expect(times).toEqual(attempts.map(({ at }) => Math.floor(Date.parse(at) / 1000)));
    expect(times[2]).toBeGreaterThan(times[0] ?? 0);
  });

  test.each([
    ['is forbidden by 410', 410, 'disabled', /wants no more/, 'delivered'],
    ['goes to a name whose address is not to be reached', null, 'failed', /not public/, 'failed'],
  ])('that %s is not retried until it is redelivered on request', async (_how, httpStatus, status, error, second) => {
    await using receiver = await startReceiver();
    receiver.script({ status: 410 });
    const allow = httpStatus === null ? '127.0.0.1:1' : '127.0.0.1';
    await using easel = await startEasel({ env: { ...env, WEBHOOK_ALLOW_HOSTS: allow } });
    const webhookUrl = httpStatus === null ? receiver.url.replace('127.0.0.1', 'localhost') : receiver.url;
    await easel.post({ mediaId: 'hero', prompt, webhookUrl });
    const first = await settled(easel, 'hero', status);
    expect(first).toMatchObject({
      nextAttemptAt: null,
      attempts: [{ httpStatus, error: expect.stringMatching(error) }],
    });
    easel.clock.advance(4 * 60_000);
    expect(await deliveries(easel.url, 'hero')).toEqual([first]);

    const ordered = await redeliver(easel, 'hero', first.id);
    expect([ordered.status, await ordered.json()]).toEqual([202, expect.objectContaining({ status: 'pending' })]);
    const again = await settled(easel, 'hero', second);
    expect([again.id, again.attempts.length]).toEqual([first.id, 2]);
  });

  it('is visible and redeliverable only to the key of the image and to admins, with the right scope', async () => {
    await using receiver = await startReceiver();
    await using easel = await startEasel({ env: { ...env, API_KEYS: TEST_KEYS } });
    await easel.post({ mediaId: 'hero', prompt, webhookUrl: receiver.url }, bearer('blog'));
    await easel.post({ mediaId: 'other', prompt, webhookUrl: receiver.url }, bearer('shop'));
    await receiver.came(2);
    const [{ id } = { id: '' }] = await deliveries(easel.url, 'hero', bearer('blog'));

    const see = async (name: string) => {
      const response = await easel.get('/images/hero/deliveries', bearer(name));
      await response.arrayBuffer();
      return response.status;
    };
    const order = async (mediaId: string, name: string) => (await redeliver(easel, mediaId, id, bearer(name))).status;
    expect(await Promise.all(['blog', 'boss', 'shop', 'viewer', 'maker'].map(see))).toEqual([200, 200, 404, 404, 403]);
    expect(await Promise.all(['shop', 'maker', 'viewer'].map((name) => order('hero', name)))).toEqual([404, 404, 403]);
    // The id of a delivery of `hero` under another image, which this key may see.
    expect(await order('other', 'shop')).toBe(404);
    expect(receiver.received).toHaveLength(2);
    expect(await order('hero', 'blog')).toBe(202);
    await receiver.came(3);
    expect(receiver.received[2]?.headers['webhook-id']).toBe(id);
  });

  it('outlives its image: what could not be delivered before the deletion is delivered after it, over a restart too', async () => {
    await using receiver = await startReceiver();
    await using folder = await temporaryFolder();
    receiver.always({ delivery: { beforeHeaders: 'forever' } });
    let sent: unknown;
    {
      await using easel = await startEasel({ env, folder: folder.path });
      await easel.post({ mediaId: 'hero', prompt, webhookUrl: receiver.url });
      await receiver.came(1);
      sent = await easel.record('hero');
      await fetch(`${easel.url}/images/hero`, { method: 'DELETE' });
      expect((await easel.get('/images/hero/deliveries')).status).toBe(404);
      // Another picture of this name knows nothing of it.
      await easel.post({ mediaId: 'hero', prompt: 'another' });
      expect(await deliveries(easel.url, 'hero')).toEqual([]);
    }
    receiver.always({ status: 204 });
    await using easel = await startEasel({ env, folder: folder.path });
    await receiver.came(2);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(receiver.received.at(-1)?.message.data).toEqual(sent);
    expect(await deliveries(easel.url, 'hero')).toEqual([]);
  });
});

describe('a dead receiver', () => {
  it('delays neither pictures nor other receivers nor the stop of the service', async () => {
    await using dead = await startReceiver();
    dead.always({ delivery: { beforeHeaders: 'forever' } });
    await using live = await startReceiver();
    await using folder = await temporaryFolder();
    /** More than are delivered at a time, and made long before a try times out. */
    const PICTURES = 6;
    const options = { folder: folder.path, env: { ...env, IMAGE_SIZE: '256x256', IMAGE_RENDITIONS: '64x64.png' } };
    {
      await using easel = await startEasel(options);
      const posts = Array.from({ length: PICTURES }, (_, n) =>
        easel.post({ mediaId: `picture-${n}`, prompt: `number ${n}`, webhookUrl: dead.url }),
      );
      expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(Array(PICTURES).fill(201));
      await easel.post({ mediaId: 'live', prompt, webhookUrl: live.url });
      await live.came(1);
      expect(dead.open).toBe(4);
    }

    // The aborted tries are not recorded as attempts, and are due at the next start. Had anything waited for a try to time out, that
    // try would be an attempt.
    dead.always({});
    await using easel = await startEasel(options);
    await dead.came(PICTURES + 4);
    for (let n = 0; n < PICTURES; n++)
      expect((await settled(easel, `picture-${n}`, 'delivered')).attempts).toHaveLength(1);
  });
});

describe('a crash between the end of a picture and its delivery', () => {
  it('does not lose the delivery: it is sent at the next start, under the same id', async () => {
    await using receiver = await startReceiver();
    receiver.script({ delivery: { beforeHeaders: 'forever' } });
    await using before = await startEasel({ env });
    await before.post({ mediaId: 'hero', prompt, webhookUrl: receiver.url });
    await receiver.came(1);
    await using left = await before.leftByCrash();

    await using easel = await startEasel({ env, folder: left.path });
    await receiver.came(2);
    const { id, attempts } = await settled(easel, 'hero', 'delivered');
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id]);
    expect(attempts).toHaveLength(1);
  });
});
