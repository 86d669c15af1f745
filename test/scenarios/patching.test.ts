import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type Easel, type EaselOptions, type Problem, startEasel } from '../support/app/easel.ts';
import { startReceiver, TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const prompt = 'a lighthouse at dusk';
const ASYNC = { prefer: 'respond-async' };
const WEBHOOKS = { WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' };
const DAY_MS = 86_400_000;

async function patch(easel: Easel, mediaId: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${easel.url}/images/${mediaId}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as ImageRecord & Problem };
}

/** Runs `change` while the call for the picture of `body` is out, and resolves with the record at its end. */
async function whileCalled(easel: Easel, body: object, change: () => Promise<unknown>): Promise<ImageRecord> {
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'x', prompt, ...body }, ASYNC);
  await gate.reached();
  await change();
  gate.open();
  await easel.services.images.waitUntilFinished('x', 120_000, new AbortController().signal);
  return await easel.record('x');
}

const cleanUp = async (easel: Easel) =>
  (await (await fetch(`${easel.url}/cleanup`, { method: 'POST' })).json()) as { deleted: number };

async function startWithPicture(body: object = {}, options: EaselOptions = {}) {
  const easel = await startEasel(options);
  await easel.post({ mediaId: 'x', prompt, ...body });
  return easel;
}

describe('a PATCH', () => {
  it('replaces the fields that it gives, clears those that are null, and leaves the others', async () => {
    await using easel = await startWithPicture({ labels: ['b', 'a'], metadata: { one: '1' }, ttlSeconds: 600 });
    const before = await easel.record('x');
    const replaced = await patch(easel, 'x', { labels: ['d', 'c'], metadata: { two: '2' } });
    expect(replaced.status).toBe(200);
    const { expiresAt } = before;
    expect(replaced.body).toEqual({
      ...before,
      labels: ['d', 'c'],
      metadata: { two: '2' },
      request: { ...before.request, labels: ['d', 'c'], metadata: { two: '2' } },
      expiresAt,
    });
    const cleared = await patch(easel, 'x', { labels: null, metadata: null, ttlSeconds: null, webhookUrl: null });
    expect(cleared.body).toMatchObject({ labels: [], metadata: {}, expiresAt: null });
    expect(cleared.body.request).toMatchObject({ ttlSeconds: null, webhookUrl: null });
    expect(await easel.record('x')).toEqual(cleared.body);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('without any field changes nothing', async () => {
    await using easel = await startWithPicture({ ttlSeconds: 600, labels: ['a'] });
    const before = await easel.record('x');
    easel.clock.advance(60_000);
    expect(await patch(easel, 'x', {})).toEqual({ status: 200, body: before });
  });

  it('moves the picture in the list to its new labels', async () => {
    await using easel = await startWithPicture({ labels: ['old'] });
    await patch(easel, 'x', { labels: ['new'] });
    const found = async (label: string) =>
      ((await (await easel.get(`/images?label=${label}`)).json()) as { items: unknown[] }).items.length;
    expect([await found('old'), await found('new')]).toEqual([0, 1]);
  });

  it.each([
    [{ labels: ['a', 'a'] }, 'labels'],
    [{ labels: 'a' }, 'labels'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ ttlSeconds: 0 }, 'ttlSeconds'],
    [{ webhookUrl: 'ftp://example.com' }, 'webhookUrl'],
    [{ webhookUrl: 'https://hooks.example/…' }, 'webhookUrl'],
    [{ prompt: 'another' }, 'prompt'],
    [null, 'body'],
  ])('of %j is a 400 that names %s', async (body, path) => {
    await using easel = await startWithPicture();
    const before = await easel.record('x');
    const answer = await patch(easel, 'x', body);
    expect([answer.status, answer.body.code, answer.body.errors.map((error) => error.path)]).toEqual([
      400,
      'invalid_request',
      [path],
    ]);
    expect(await easel.record('x')).toEqual(before);
  });

  it('takes a key with `generate` that may see the picture', async () => {
    await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
    await easel.post({ mediaId: 'x', prompt }, bearer('blog'));
    const labels = ['mine'];
    const statusFor = async (name: string) => (await patch(easel, 'x', { labels }, bearer(name))).status;
    expect([await statusFor('shop'), await statusFor('viewer'), await statusFor('nobody')]).toEqual([404, 403, 401]);
    expect([await statusFor('blog'), await statusFor('boss')]).toEqual([200, 200]);
    expect((await patch(easel, 'y', { labels }, bearer('blog'))).status).toBe(404);
  });

  it('refuses a webhookUrl at an address that is not public, and changes nothing', async () => {
    await using easel = await startWithPicture({ labels: ['blog'] });
    const { status, body } = await patch(easel, 'x', { labels: [], webhookUrl: 'http://10.9.8.7/hook' });
    expect({ status, errors: body.errors }).toMatchObject({ status: 400, errors: [{ path: 'webhookUrl' }] });
    expect(await easel.record('x')).toMatchObject({ labels: ['blog'], request: { webhookUrl: null } });
  });

  it('takes no token of the rate limit for generations', async () => {
    await using easel = await startWithPicture({}, { env: { RATE_LIMIT_PER_MINUTE: '1' } });
    expect((await patch(easel, 'x', { labels: ['a'] })).status).toBe(200);
    expect((await easel.post({ mediaId: 'y', prompt })).status).toBe(429);
  });
});

describe('the time to live', () => {
  it('counts from the PATCH that gives it, and a PATCH of something else leaves it', async () => {
    await using easel = await startWithPicture({ ttlSeconds: 86_400 });
    easel.clock.advance(DAY_MS / 2);
    const from = easel.clock.now();
    const { body } = await patch(easel, 'x', { ttlSeconds: 3600 });
    const expiry = Date.parse(body.expiresAt ?? '');
    expect(expiry - from).toBeGreaterThanOrEqual(3_600_000);
    expect(expiry - easel.clock.now()).toBeLessThanOrEqual(3_600_000);
    easel.clock.advance(1_800_000);
    expect((await patch(easel, 'x', { labels: ['a'] })).body.expiresAt).toBe(body.expiresAt);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0 });
    easel.clock.advance(1_800_000);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1 });
  });

  it('wins over the retention of labels, which counts from the request and applies once it is cleared', async () => {
    await using easel = await startWithPicture({}, { env: { RETENTION_BY_LABEL: 'short:1h,long:2d' } });
    const requested = Date.parse((await easel.record('x')).createdAt);
    const kept = async (body: object) => Date.parse((await patch(easel, 'x', body)).body.expiresAt ?? '') - requested;
    easel.clock.advance(60_000);
    expect(await kept({ labels: ['short'] })).toBe(3_600_000);
    expect(await kept({ labels: ['short', 'long'] })).toBe(2 * DAY_MS);
    expect(await kept({ ttlSeconds: 60 })).toBeGreaterThanOrEqual(120_000);
    expect(await kept({ labels: ['short'] })).toBeLessThan(3_600_000);
    expect(await kept({ ttlSeconds: null })).toBe(3_600_000);
    expect((await patch(easel, 'x', { labels: null })).body.expiresAt).toBeNull();
  });

  it('is suspended while the picture is pinned, which no cleanup then removes', async () => {
    await using easel = await startWithPicture({ ttlSeconds: 600 });
    const { expiresAt } = (await patch(easel, 'x', { ttlSeconds: 1200 })).body;
    expect((await patch(easel, 'x', { labels: ['pinned'] })).body.expiresAt).toBeNull();
    easel.clock.advance(1_201_000);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0 });
    expect((await patch(easel, 'x', { labels: [] })).body.expiresAt).toBe(expiresAt);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1 });
  });

  it('is taken by no cleanup while its field says that it is pinned, at work or done, and POST has no such field', async () => {
    await using easel = await startEasel();
    const pin = async () => expect((await patch(easel, 'x', { pinned: true })).body.pinned).toBe(true);
    const done = await whileCalled(easel, { ttlSeconds: 600 }, pin);
    expect([done.pinned, done.expiresAt]).toEqual([true, null]);
    easel.clock.advance(DAY_MS);
    for (const options of [{}, { maxBytes: 0 }, { olderThanMs: 0 }]) {
      expect((await easel.services.images.cleanup(options)).deleted).toBe(0);
    }
    const freed = await patch(easel, 'x', { pinned: null, labels: ['pinned', 'a'] });
    expect(freed.body).toMatchObject({ pinned: false, labels: ['a'] });
    expect((await easel.services.images.cleanup({})).deleted).toBe(1);
    const refused = await easel.post({ mediaId: 'y', prompt, pinned: true });
    expect([refused.status, refused.body.errors?.[0]?.path]).toEqual([400, 'pinned']);
    const wrong = await patch(easel, 'x', { pinned: 'yes' });
    expect([wrong.status, wrong.body.errors?.[0]?.path]).toEqual([400, 'pinned']);
    const labelled = await easel.post({ mediaId: 'z', prompt, labels: ['pinned'] });
    expect(labelled.body.pinned).toBe(true);
  });

  it('stays suspended while a pinned picture is made again', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'x', prompt, ttlSeconds: 600 });
    await patch(easel, 'x', { pinned: true });
    expect((await easel.retry('x')).body).toMatchObject({ status: 'succeeded', pinned: true, expiresAt: null });
  });

  it.each<[string, object, object]>([
    ['by the field', { labels: ['draft'] }, { pinned: true }],
    ['by the label', { labels: ['draft', 'pinned'] }, {}],
  ])(
    'keeps a picture that is pinned %s out of a cleanup of its label, and of the dry run that shows it',
    async (_, request, change) => {
      await using easel = await startWithPicture(request);
      await easel.post({ mediaId: 'other', prompt, labels: ['draft'] });
      await patch(easel, 'x', change);
      easel.clock.advance(DAY_MS);
      for (const label of ['draft', 'pinned']) {
        for (const options of [{ olderThanMs: 0 }, { maxBytes: 0 }]) {
          const { mediaIds } = await easel.services.images.cleanup({ ...options, label, dryRun: true });
          expect(mediaIds).toEqual(label === 'draft' ? ['other'] : []);
        }
      }
      expect(await easel.services.images.cleanup({ olderThanMs: 0, label: 'draft' })).toMatchObject({
        deleted: 1,
        kept: 1,
      });
      expect((await easel.record('x')).pinned).toBe(true);
      await patch(easel, 'x', { pinned: false });
      const { mediaIds } = await easel.services.images.cleanup({ olderThanMs: 0, label: 'draft', dryRun: true });
      expect(mediaIds).toEqual(['x']);
    },
  );

  it('begins anew, from the request, when the picture is requested again', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'x', prompt, ttlSeconds: 600 });
    await patch(easel, 'x', { ttlSeconds: 1200, labels: ['kept'] });
    easel.clock.advance(DAY_MS);
    const from = easel.clock.now();
    const { status, body } = await easel.post({ mediaId: 'x', prompt, ttlSeconds: 600 });
    expect([status, body.labels, body.request.ttlSeconds]).toEqual([201, ['kept'], 1200]);
    expect(Date.parse(body.expiresAt ?? '') - from).toBeGreaterThanOrEqual(1_200_000);
    // Counted from the PATCH it would be over.
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0 });
  });
});

describe('a PATCH of a picture that is being made', () => {
  const change = { labels: ['new'], metadata: { new: 'yes' }, ttlSeconds: 7200 };

  it('is kept by the run, and the run by it', async () => {
    await using easel = await startEasel();
    const record = await whileCalled(easel, { labels: ['old'], ttlSeconds: 60 }, async () => {
      expect((await patch(easel, 'x', change)).body).toMatchObject({ status: 'generating', labels: ['new'] });
    });
    expect(record).toMatchObject({ status: 'succeeded', labels: ['new'], metadata: { new: 'yes' } });
    expect(record.request.ttlSeconds).toBe(7200);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is kept by a restart in the middle of the call', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'x', prompt }, ASYNC);
    await gate.reached();
    await patch(easel, 'x', change);
    await using left = await easel.leftByCrash();
    gate.open();
    await using next = await startEasel({ folder: left.path });
    await next.services.images.waitUntilFinished('x', 120_000, new AbortController().signal);
    expect(await next.record('x')).toMatchObject({ status: 'succeeded', labels: ['new'], metadata: { new: 'yes' } });
  });

  it('names the receiver of the event that follows', async () => {
    await using old = await startReceiver();
    await using receiver = await startReceiver();
    await using easel = await startEasel({ env: WEBHOOKS });
    await whileCalled(easel, { webhookUrl: old.url }, () => patch(easel, 'x', { webhookUrl: receiver.url }));
    await receiver.came(1);
    expect(receiver.received[0]?.message).toMatchObject({ type: 'image.succeeded', data: { mediaId: 'x' } });
    expect(old.received).toEqual([]);
  });

  it('can call the event off', async () => {
    await using receiver = await startReceiver();
    await using easel = await startEasel({ env: WEBHOOKS });
    await whileCalled(easel, { webhookUrl: receiver.url }, () => patch(easel, 'x', { webhookUrl: null }));
    const answer = await easel.get('/images/x/deliveries');
    expect(await answer.json()).toEqual({ items: [] });
  });

  it.each([
    ['failed', openAiError('moderation_blocked')],
    ['cancelled', picture()],
  ] as const)('also changes one that has %s', async (status, behaviour) => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(status === 'cancelled' ? picture({ beforeHeaders: gate }) : behaviour);
    await easel.post({ mediaId: 'x', prompt }, ASYNC);
    if (status === 'cancelled') await gate.reached().then(() => easel.cancel('x'));
    await easel.services.images.waitUntilFinished('x', 120_000, new AbortController().signal);
    expect((await patch(easel, 'x', change)).body).toMatchObject({ status, labels: ['new'] });
    gate.open();
  });
});

describe('a PATCH and a DELETE at once', () => {
  it('leave no picture, and the PATCH is answered with the record or with 404', async () => {
    await using easel = await startEasel();
    for (let n = 0; n < 5; n += 1) {
      await easel.post({ mediaId: 'x', prompt });
      const [patched, deleted] = await Promise.all([
        patch(easel, 'x', { labels: [`${n}`] }),
        fetch(`${easel.url}/images/x`, { method: 'DELETE' }),
      ]);
      expect([200, 404]).toContain(patched.status);
      expect(deleted.status).toBe(204);
      expect((await easel.get('/images/x')).status).toBe(404);
    }
    expect(await easel.files()).toEqual([]);
  });
});
