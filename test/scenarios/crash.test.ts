import { mkdir, readdir, rename, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NO_RESULT } from '../../src/core/domain/image.ts';
import { startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };

describe('a crash during a call, again and again', () => {
  it.each([0, 1])('is followed by %i more calls, then by none until a retry is asked for', async (retries) => {
    await using upstream = await startOpenAiServer();
    upstream.always(hang());
    const env = { AMBIGUOUS_RETRIES: String(retries) };
    await using left = new AsyncDisposableStack();
    let folder: string | undefined;
    for (let call = 1; call <= retries + 1; call++) {
      await using life = await startEasel({ upstream, env, ...(folder !== undefined && { folder }) });
      if (folder === undefined) await life.post(X, { prefer: 'respond-async' });
      await upstream.received(call);
      folder = left.use(await life.leftByCrash()).path;
    }
    upstream.always(picture());

    await using easel = await startEasel({ upstream, env, ...(folder !== undefined && { folder }) });
    await expect.poll(async () => (await easel.record('x')).status).toBe('failed');
    expect(await easel.record('x')).toMatchObject({
      error: { code: 'provider_failed', detail: expect.stringContaining('may have been billed') },
      attempts: Array.from({ length: retries + 1 }, () => ({ outcome: 'unknown' })),
    });
    expect(upstream.calls).toHaveLength(retries + 1);

    expect((await easel.post(X)).status).toBe(502);
    expect(upstream.calls).toHaveLength(retries + 1);
    const { status, body } = await easel.retry('x');
    expect([status, body.status, body.attempts.at(-1)?.outcome]).toEqual([201, 'succeeded', 'ok']);
    expect(upstream.calls).toHaveLength(retries + 2);
  });
});

describe('a crash while a picture is finished, after which its original', () => {
  it('is missing from disk, fails the image, and the same request finishes it without a call once the original is back', async () => {
    await using crashed = await crashWhileFinishing();
    const { upstream, folder } = crashed;
    const originals = join(folder, 'media', 'originals');
    await rename(originals, `${originals}.away`);

    await using easel = await startEasel({ upstream, folder });
    await expect.poll(async () => (await easel.record('x')).status).toBe('failed');
    expect((await easel.record('x')).error).toMatchObject({ code: 'storage_unavailable' });
    expect(await easel.post(X)).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } });
    expect(upstream.calls).toHaveLength(1);
    await rename(`${originals}.away`, originals);
    const back = await easel.post(X);
    expect([back.status, back.body.attempts.map(({ outcome }) => outcome)]).toEqual([201, ['ok']]);
    expect(upstream.calls).toHaveLength(1);
  });

  it('is damaged on disk, fails the image instead of publishing it, and only a retry has another made', async () => {
    await using crashed = await crashWhileFinishing();
    const { upstream, folder } = crashed;
    const originals = join(folder, 'media', 'originals');
    const [name = ''] = await readdir(originals);
    // Another sound picture: only its checksum shows that it is not the one that was paid for.
    await writeFile(join(originals, name), await texturedPicture({ width: 1024, height: 640, seed: 'another' }));

    await using easel = await startEasel({ upstream, folder });
    await expect.poll(async () => (await easel.record('x')).status).toBe('failed');
    expect((await easel.record('x')).error).toMatchObject({ code: 'storage_unavailable' });
    expect(await easel.post(X)).toMatchObject({ status: 503 });
    expect(upstream.calls).toHaveLength(1);
    expect((await easel.retry('x')).status).toBe(201);
    expect(await easel.record('x')).toMatchObject({ attempts: [{ outcome: 'ok' }, { outcome: 'ok' }] });
    expect(upstream.calls).toHaveLength(2);
  });

  it('cannot be read at first, is read again and finished', async () => {
    await using crashed = await crashWhileFinishing();
    const { upstream, folder } = crashed;
    const originals = join(folder, 'media', 'originals');
    const [name = ''] = await readdir(originals);
    const file = join(originals, name);
    await rename(file, `${file}.away`);
    await mkdir(file);

    await using easel = await startEasel({ upstream, folder, skipMs: 0 });
    await expect.poll(() => easel.log.some((line) => line.includes('storage failed, retrying'))).toBe(true);
    await rmdir(file);
    await rename(`${file}.away`, file);
    easel.clock.advance(500);
    await expect.poll(async () => (await easel.record('x')).status).toBe('succeeded');
    expect(upstream.calls).toHaveLength(1);
  });

  it('cannot be read for a minute, fails the image, and is finished by the same request once it can be read', async () => {
    await using crashed = await crashWhileFinishing();
    const { upstream, folder } = crashed;
    const originals = join(folder, 'media', 'originals');
    const [name = ''] = await readdir(originals);
    const file = join(originals, name);
    await rename(file, `${file}.away`);
    await mkdir(file);

    await using easel = await startEasel({ upstream, folder });
    await expect.poll(async () => (await easel.record('x')).status).toBe('failed');
    expect((await easel.record('x')).error).toMatchObject({ code: 'storage_unavailable' });
    expect(easel.clock.slept.reduce((sum, ms) => sum + ms)).toBeGreaterThanOrEqual(60_000);
    await rmdir(file);
    await rename(`${file}.away`, file);
    expect((await easel.post(X)).status).toBe(201);
    expect(upstream.calls).toHaveLength(1);
  });
});

/** What a crash left behind that came after the original was durable, and before the master was published. */
async function crashWhileFinishing() {
  const left = new AsyncDisposableStack();
  const { path: folder } = left.use(await temporaryFolder());
  const upstream = left.use(await startOpenAiServer());
  {
    await using easel = await startEasel({ upstream, folder });
    await easel.post(X);
  }
  const records = openRecords(folder);
  await records.update('x', (image) => ({ ...image, ...NO_RESULT, status: 'processing' }));
  await records.close();
  return { upstream, folder, [Symbol.asyncDispose]: () => left.disposeAsync() };
}
