import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/domain/image.ts';
import { type Easel, type Problem, startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { brokenAnswer, openAiError, picture } from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };
const ASYNC = { prefer: 'respond-async' };
const ONE_TRY = { RETRY_MAX_ATTEMPTS: '1', AMBIGUOUS_RETRIES: '0' };

interface Estimate {
  readonly usd: number | null;
  readonly basis: string;
  readonly call: boolean;
  readonly mayBePaidAlready: boolean;
}

async function estimate(easel: Easel, headers: Record<string, string> = {}) {
  const answer = await easel.get('/images/x/retry', headers);
  return { status: answer.status, body: (await answer.json()) as Estimate & Problem };
}

/** What `POST /images/preview` says of the cost. */
async function previewed(easel: Easel, body: object): Promise<Pick<Estimate, 'usd' | 'basis'>> {
  const answer = await fetch(`${easel.url}/images/preview`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return ((await answer.json()) as { cost: Estimate }).cost;
}

/** Starts a service whose picture `x` has failed without being billed. */
async function startWithFailed(body: object = {}, env: Record<string, string> = {}) {
  const easel = await startEasel({ env: { ...ONE_TRY, ...env } });
  // No other provider is asked after it.
  easel.upstream.script(openAiError('moderation_blocked'));
  expect((await easel.post({ ...X, ...body })).status).toBe(422);
  return easel;
}

/** Makes `x`, changes its record and hands over a service that starts with it. */
async function startWithRecord(change: (image: Image) => Partial<Image>, env: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  {
    await using easel = await startEasel({ folder: folder.path });
    expect((await easel.post(X)).status).toBe(201);
  }
  const records = openRecords(folder.path);
  const lost = { master: null, renditions: [], thumbhash: null } as const;
  const made = await records.update('x', (image) => ({ ...image, ...lost, ...change(image) }));
  await records.close();
  const easel = await startEasel({ folder: folder.path, env });
  return {
    easel,
    original: join(folder.path, 'media', made?.original?.name ?? 'none'),
    async [Symbol.asyncDispose]() {
      await easel[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const FAILED = { status: 'failed', error: { code: 'storage_unavailable', detail: 'the disk was away' } } as const;
const FREE = { usd: 0, basis: 'none', call: false };
describe('GET /images/{mediaId}/retry', () => {
  it('says what the call would cost, as the preview does, calls nothing and changes nothing', async () => {
    await using easel = await startWithFailed({ quality: 'high', partials: 3 });
    const before = [await easel.record('x'), await easel.files(), easel.upstream.calls.length];
    const { status, body } = await estimate(easel);
    const { usd, basis } = await previewed(easel, { ...X, quality: 'high', partials: 3 });
    expect([status, body]).toEqual([200, { usd, basis, call: true, mayBePaidAlready: false }]);
    expect(basis).toBe('estimate');
    expect(usd).toBeGreaterThan((await previewed(easel, { ...X, quality: 'high' })).usd ?? 0);
    expect([await easel.record('x'), await easel.files(), easel.upstream.calls.length]).toEqual(before);
  });

  it('goes by the most that such a picture has taken so far', async () => {
    await using easel = await startWithFailed();
    const first = await estimate(easel);
    const usage = { input_tokens: 20, output_tokens: 12_000, total_tokens: 12_020 };
    easel.upstream.script(picture({ usage }));
    await easel.post({ ...X, mediaId: 'other' });
    const { body } = await estimate(easel);
    expect(body.usd).toBeGreaterThan(first.body.usd ?? 0);
    expect(body.usd).toBe((await previewed(easel, X)).usd);
  });

  it('says whether a call before may have been billed', async () => {
    await using easel = await startEasel({ env: ONE_TRY });
    for (const [behaviour, mayBePaidAlready] of [
      [brokenAnswer('empty data'), true],
      [picture({ content: 'blank' }), true],
      [openAiError('moderation_blocked'), false],
    ] as const) {
      easel.upstream.script(behaviour);
      await easel.post(X);
      expect((await estimate(easel)).body).toMatchObject({ call: true, mayBePaidAlready });
      await fetch(`${easel.url}/images/x`, { method: 'DELETE' });
    }
  });

  it('costs nothing where the picture that was paid for is kept, and a call once that is lost', async () => {
    await using made = await startWithRecord(() => FAILED);
    const { easel, original } = made;
    expect(await estimate(easel)).toEqual({ status: 200, body: { ...FREE, mayBePaidAlready: true } });
    const call = { ...(await previewed(easel, X)), call: true, mayBePaidAlready: true };
    await writeFile(original, 'damaged');
    expect((await estimate(easel)).body).toEqual(call);
    await rm(original);
    expect((await estimate(easel)).body).toEqual(call);
  });

  it('is refused as the retry is: while the picture is made, once it is there, and where no model can make it', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post(X, ASYNC);
    await gate.reached();
    const same = async () => {
      const [asked, ran] = [await estimate(easel), await easel.retry('x')];
      expect([asked.status, asked.body.code, asked.body.detail]).toEqual([ran.status, ran.body.code, ran.body.detail]);
      return asked.body.code;
    };
    expect(await same()).toBe('not_retryable');
    gate.open();
    await easel.services.images.waitUntilFinished('x', 120_000, new AbortController().signal);
    expect(await same()).toBe('not_retryable');
    expect((await easel.get('/images/y/retry')).status).toBe(404);
  });

  it('is refused as the retry is where its model is gone', async () => {
    await using folder = await temporaryFolder();
    const MODEL_CATALOG = join(folder.path, 'models.json');
    await writeFile(MODEL_CATALOG, JSON.stringify({ 'gpt-image-2': { shutdownDate: '2020-01-01' } }));
    await using made = await startWithRecord(() => ({ ...FAILED, original: null, attempts: [] }), { MODEL_CATALOG });
    const [asked, ran] = [await estimate(made.easel), await made.easel.retry('x')];
    expect([asked.status, asked.body.detail]).toEqual([422, expect.stringMatching(/was shut down/)]);
    expect([ran.status, ran.body.code, ran.body.detail]).toEqual([422, asked.body.code, asked.body.detail]);
  });

  it('takes a key that may read the picture', async () => {
    await using easel = await startEasel({ env: { ...ONE_TRY, API_KEYS: TEST_KEYS } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post(X, bearer('blog'));
    const statusFor = async (name: string) => (await estimate(easel, bearer(name))).status;
    expect([await statusFor('blog'), await statusFor('desk'), await statusFor('boss')]).toEqual([200, 200, 200]);
    expect([await statusFor('shop'), await statusFor('viewer')]).toEqual([404, 404]);
    expect([await statusFor('maker'), await statusFor('scraper'), await statusFor('nobody')]).toEqual([403, 403, 401]);
    expect((await estimate(easel, { 'x-api-key': 'blog-page-secret' })).status).toBe(200);
  });
});
