import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { hang, openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ASYNC = { prefer: 'respond-async' };
const X = { mediaId: 'x', prompt: 'a lighthouse' };

describe('cancelling', () => {
  it('aborts the call of a running image, once, and answers the waiting request', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(hang());
    const waiting = easel.post(X);
    await easel.upstream.received(1);

    const { status, body } = await easel.cancel('x');
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'cancelled', url: null, error: null, attempts: [{ outcome: 'cancelled' }] });
    expect(body.completedAt).not.toBeNull();
    await easel.upstream.abandoned(1);
    expect(await waiting).toMatchObject({ status: 200, body });

    expect(await easel.cancel('x')).toMatchObject({ status: 200, body });
    expect(await easel.record('x')).toEqual(body);
    expect(easel.upstream.calls).toHaveLength(1);
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toMatch(/^easel_images_total\{status="cancelled",.*\} 1$/m);
    expect(metrics).toMatch(/^easel_images_total\{status="failed",.*\} 0$/m);
  });

  it('takes an image out of the queue at once, and a new request may queue it again', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const first = easel.post({ mediaId: 'first', prompt: 'a lighthouse' });
    await gate.reached();
    for (const mediaId of ['x', 'y']) await easel.post({ ...X, mediaId }, ASYNC);
    for (const mediaId of ['x', 'y']) {
      expect((await easel.cancel(mediaId)).body).toMatchObject({ status: 'cancelled', attempts: [] });
    }
    expect((await easel.post(X, ASYNC)).status).toBe(202);
    gate.open();
    await first;
    expect((await easel.post(X)).body).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }] });
    expect(await easel.record('y')).toMatchObject({ status: 'cancelled', attempts: [] });
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it.each([
    ['succeeded', picture()],
    ['failed', openAiError('moderation_blocked')],
  ] as const)('leaves an image that has %s as it is', async (status, behaviour) => {
    await using easel = await startEasel();
    easel.upstream.script(behaviour);
    await easel.post(X);
    const before = await easel.record('x');
    expect(before.status).toBe(status);
    expect(await easel.cancel('x')).toMatchObject({ status: 200, body: before });
    expect(await easel.record('x')).toEqual(before);
  });

  it('is a 404 for images that do not exist or belong to another key', async () => {
    await using easel = await startEasel();
    expect(await easel.cancel('x')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    await easel.post(X);
    const foreign = easel.services.images.cancel('x', { name: 'another', seesAll: false, admin: false });
    await expect(foreign).rejects.toMatchObject({ code: 'not_found' });
  });

  it('keeps a picture that arrived nevertheless, which a repeated request finishes without a call', async () => {
    await using easel = await startEasel();
    const originals = join(easel.folder, 'media', 'originals');
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post(X, ASYNC);
    await gate.reached();
    // The picture has arrived and cannot be stored: the only moment at which the cancel certainly comes in between.
    await rename(originals, `${originals}.away`);
    await writeFile(originals, '');
    gate.open();
    await expect.poll(() => easel.log.some((line) => line.includes('storage failed, retrying'))).toBe(true);
    expect((await easel.cancel('x')).body).toMatchObject({ status: 'cancelled', warnings: [] });
    await rm(originals);
    await rename(`${originals}.away`, originals);

    await expect.poll(async () => (await easel.record('x')).warnings).toMatchObject([{ code: 'picture_kept' }]);
    const kept = await easel.record('x');
    expect(kept).toMatchObject({ status: 'cancelled', url: null, attempts: [{ outcome: 'ok' }] });
    expect(kept.cost.usd).toBeGreaterThan(0);
    expect(await easel.files()).toEqual([expect.stringMatching(/^originals\/x~/)]);

    const { status, body } = await easel.post(X);
    expect([status, body.status, body.warnings, body.cost]).toEqual([201, 'succeeded', [], kept.cost]);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('and a new request while the answer still arrives leave no word of a kept picture', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ drip: { bytes: 1000, pause: gate } }));
    await easel.post(X, ASYNC);
    await gate.reached();
    await easel.cancel('x');
    const again = easel.post(X);
    await expect.poll(async () => (await easel.record('x')).status).toBe('queued');
    gate.open();
    expect(await again).toMatchObject({ status: 201, body: { warnings: [], attempts: [{ outcome: 'ok' }] } });
    expect(easel.upstream.calls).toHaveLength(1);
  });
});

describe('a crash', () => {
  it('after a cancel causes no further call', async () => {
    await using upstream = await startOpenAiServer();
    upstream.always(hang());
    // The answer waits for the end of the call, and that for the disk.
    await using before = await startEasel({ upstream, skipMs: 0 });
    await before.post(X, ASYNC);
    await upstream.received(1);
    const { body: cancelled } = await before.cancel('x');
    await using left = await before.leftByCrash();

    await using easel = await startEasel({ upstream, folder: left.path });
    expect(await easel.record('x')).toEqual(cancelled);
    expect(cancelled).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'cancelled' }] });
    expect(upstream.calls).toHaveLength(1);
  });

  it('does not lose a picture that arrived for a cancelled image and was not yet in the record', async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    {
      await using easel = await startEasel({ folder });
      await easel.post(X);
    }
    const records = openRecords(folder);
    await records.update('x', (image) => ({
      ...image,
      status: 'cancelled',
      original: null,
      master: null,
      renditions: [],
      attempts: image.attempts.map((attempt) => ({ ...attempt, durationMs: null, outcome: 'unknown' })),
    }));
    await records.close();

    await using easel = await startEasel({ folder });
    expect(await easel.post(X)).toMatchObject({ status: 201, body: { attempts: [{ outcome: 'ok' }] } });
    expect(easel.upstream.calls).toEqual([]);
  });
});
