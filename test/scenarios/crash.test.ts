import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NO_RESULT } from '../../src/core/domain/image.ts';
import { startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };

describe('a crash during a call, again and again', () => {
  it.each([0, 1])('is followed by %i more calls, then by none until a retry', async (retries) => {
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

describe('a crash while a picture is finished, after which its original is missing from disk', () => {
  it('fails the image, and the next request finishes it without a call once the original is back', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const options = { upstream, folder: folder.path };
    {
      await using easel = await startEasel(options);
      await easel.post(X);
    }
    const records = openRecords(folder.path);
    await records.update('x', (image) => ({ ...image, ...NO_RESULT, status: 'processing' }));
    await records.close();
    const originals = join(folder.path, 'media', 'originals');
    await rename(originals, `${originals}.away`);

    await using easel = await startEasel(options);
    await expect.poll(async () => (await easel.record('x')).status).toBe('failed');
    expect((await easel.record('x')).error).toMatchObject({ code: 'storage_unavailable' });
    expect(upstream.calls).toHaveLength(1);
    await rename(`${originals}.away`, originals);
    const back = await easel.post(X);
    expect([back.status, back.body.attempts.map(({ outcome }) => outcome)]).toEqual([201, ['ok']]);
    expect(upstream.calls).toHaveLength(1);
  });
});
