import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputName, sha256 } from '../../src/core/domain/file-names.ts';
import { ANONYMOUS, type CreateImage } from '../../src/core/domain/request.ts';
import { type EaselOptions, startEasel } from '../support/app/easel.ts';
import { BLOG, inputFiles, names, part, refusal, SHOP, submit } from '../support/app/inputs.ts';
import { type FileServer, startFileServer } from '../support/network/file-server.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { texturedPicture, truncated } from '../support/pictures.ts';
import { until } from '../support/until.ts';

// Through the use cases: how inputs come in by HTTP is tested with the routes.

const HOUR_MS = 3_600_000;
const SIZE = { width: 96, height: 64 };

let logo: Buffer;
let chair: Buffer;
let mask: Buffer;
let files: FileServer;

beforeAll(async () => {
  logo = await texturedPicture({ ...SIZE, seed: 'logo' });
  chair = await texturedPicture({ ...SIZE, seed: 'chair', format: 'jpeg' });
  mask = await texturedPicture({ ...SIZE, seed: 'mask', transparent: true });
  files = await startFileServer();
});
afterAll(() => files[Symbol.asyncDispose]());

const start = (options: EaselOptions = {}) =>
  startEasel({ ...options, env: { FETCH_ALLOW_HOSTS: files.host, IMAGE_RENDITIONS: '', ...options.env } });

describe('inputs', () => {
  it('make the request that is sent again the same one, although the picture that it started from was deleted', async () => {
    await using easel = await start();
    await submit(easel, { mediaId: 'hero' }, SHOP);
    const request = { inputs: [{ mediaId: 'hero' }, part(logo)] };
    const { image } = await submit(easel, { mediaId: 'x', ...request }, SHOP);
    const { image: keyed } = await submit(easel, request, SHOP, 'a-key');
    await easel.services.images.remove('hero', SHOP);

    expect(await submit(easel, { mediaId: 'x', ...request }, SHOP)).toEqual({ started: false, image });
    expect(await submit(easel, request, SHOP, 'a-key')).toEqual({ started: false, image: keyed });
    expect(easel.upstream.calls).toHaveLength(3);
    // Of another request, or for another key, it is as gone as before.
    expect(await refusal(easel, { mediaId: 'y', ...request }, SHOP)).toMatchObject({ code: 'not_found' });
    await expect(submit(easel, { mediaId: 'x', ...request }, BLOG)).rejects.toMatchObject({ code: 'not_found' });
    // Another picture under its mediaId makes another request of it.
    await submit(easel, { mediaId: 'hero', prompt: 'another' }, SHOP);
    await expect(submit(easel, { mediaId: 'x', ...request }, SHOP)).rejects.toMatchObject({
      code: 'media_id_conflict',
    });
  });

  it('are stored once by their content, as they came, and named by the record as a request names them', async () => {
    await using easel = await start();
    await submit(easel, { mediaId: 'hero' });
    const url = files.serve('/chair.jpeg', chair);
    const inputs = [part(logo), { mediaId: 'hero' }, { url }, part(logo)];
    const { image } = await submit(easel, { mediaId: 'x', inputs, mask: part(mask) });
    const master = await readFile(join(easel.folder, 'media', 'hero.png'));
    expect(await inputFiles(easel)).toEqual(names(master, chair, logo, mask));
    for (const bytes of [master, chair, logo, mask]) {
      expect((await readFile(join(easel.folder, 'media', inputName(sha256(bytes))))).equals(bytes)).toBe(true);
    }
    const logoSource = { sha256: sha256(logo) };
    expect(image.request.inputs?.[0]).toEqual({
      ...logoSource,
      bytes: logo.length,
      format: 'png',
      ...SIZE,
      source: logoSource,
    });
    expect((await easel.record('x')).request).toMatchObject({
      inputs: [logoSource, { mediaId: 'hero' }, { url }, logoSource],
      mask: { sha256: sha256(mask) },
    });
    for (const path of [`/media/${names(logo)[0]}`, `/media/${sha256(logo)}`, `/media/inputs%2f${sha256(logo)}`]) {
      expect((await easel.get(path)).status, path).toBe(404);
    }
  });

  it('of a record are those of another request again, for whom may see the record', async () => {
    await using easel = await start();
    await submit(easel, { mediaId: 'mine', inputs: [part(logo)], mask: part(mask) }, SHOP);
    const again = { inputs: [{ sha256: sha256(logo) }], mask: { sha256: sha256(mask) } };
    expect((await submit(easel, { mediaId: 'mine', ...again }, SHOP)).started).toBe(false);
    expect((await submit(easel, { mediaId: 'another', ...again }, SHOP)).image.request.inputs).toMatchObject([
      { sha256: sha256(logo), ...SIZE, source: { sha256: sha256(logo) } },
    ]);
    const seesAll = { name: 'desk', seesAll: true, admin: false };
    expect((await submit(easel, { ...again, mediaId: 'desk' }, seesAll)).started).toBe(true);
    expect(await refusal(easel, again, BLOG)).toMatchObject({ code: 'not_found', paths: [{ path: 'inputs.0' }] });
  });

  it('are the same request by their content, wherever it comes from, and another by another content or order', async () => {
    await using easel = await start();
    const url = files.serve('/logo.png', logo);
    await submit(easel, { mediaId: 'x', inputs: [{ url }, part(chair)] }, SHOP, 'key');
    for (const first of [part(logo), { url: `${url}?again` }]) {
      files.serve('/logo.png?again', logo);
      const { started } = await submit(easel, { mediaId: 'x', inputs: [first, part(chair)] }, SHOP);
      expect(started).toBe(false);
    }
    expect((await submit(easel, { inputs: [part(logo), part(chair)] }, SHOP, 'key')).image.mediaId).toBe('x');
    expect(easel.upstream.calls).toHaveLength(1);
    const submitted = (create: CreateImage, key: string | null = null) =>
      submit(easel, { mediaId: 'x', ...create }, SHOP, key).catch((cause: unknown) => cause);
    for (const inputs of [[part(chair), part(logo)], [part(logo)], [part(logo), part(logo)], []]) {
      expect(await submitted({ inputs })).toMatchObject({ code: 'media_id_conflict', paths: [{ path: 'inputs' }] });
    }
    const masked = { inputs: [part(logo), part(chair)], mask: part(mask) };
    expect(await submitted(masked)).toMatchObject({ code: 'media_id_conflict', paths: [{ path: 'mask' }] });
    expect(await submitted({ ...masked, mediaId: null }, 'key')).toMatchObject({
      code: 'idempotency_key_reused',
      paths: [{ path: 'mask' }],
    });
    // Fetched at every send: another picture is there by now.
    files.serve('/logo.png', chair);
    expect(await submitted({ inputs: [{ url }, part(chair)] })).toMatchObject({ code: 'media_id_conflict' });
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('stay for a run after a failure, which fetches nothing', async () => {
    await using easel = await start({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('moderation_blocked'));
    const url = files.serve('/once.png', logo);
    await submit(easel, { mediaId: 'x', inputs: [{ url }] });
    expect((await easel.record('x')).status).toBe('failed');
    const asked = files.asked.length;
    await easel.retry('x');
    expect(await easel.record('x')).toMatchObject({ status: 'succeeded', request: { inputs: [{ url }] } });
    expect(files.asked).toHaveLength(asked);
    expect(await inputFiles(easel)).toEqual(names(logo));
  });

  it('are checked, and not stored, by a preview', async () => {
    await using easel = await start();
    const { images } = easel.services;
    const preview = await images.preview({ prompt: 'a lighthouse', inputs: [part(logo)] }, ANONYMOUS);
    expect(preview.providers).toEqual(['openai']);
    expect(await easel.files()).toEqual([]);
    const broken = images.preview({ prompt: 'a lighthouse', inputs: [part(truncated(logo))] }, ANONYMOUS);
    await expect(broken).rejects.toMatchObject({ code: 'invalid_request', paths: [{ path: 'inputs.0' }] });
  });
});

describe('an input', () => {
  it('goes with the last image that has it, and a cleanup says so before', async () => {
    await using easel = await start();
    const { images } = easel.services;
    for (const mediaId of ['a', 'b']) await submit(easel, { mediaId, inputs: [part(logo), part(chair)].slice(0, 2) });
    await submit(easel, { mediaId: 'c', inputs: [part(logo)] });
    const bytes = async () => (await easel.services.pictures.find('c.png'))?.file?.bytes ?? 0;
    expect(await bytes()).toBeGreaterThan(0);
    await images.remove('a', ANONYMOUS);
    expect(await inputFiles(easel)).toEqual(names(logo, chair));
    await images.remove('b', ANONYMOUS);
    expect(await inputFiles(easel)).toEqual(names(logo));
    await submit(easel, { mediaId: 'd', inputs: [part(logo)] });
    const all = await easel.files();
    const sizes = await Promise.all(
      all.map(async (name) => (await readFile(join(easel.folder, 'media', name))).length),
    );
    const used = sizes.reduce((sum, size) => sum + size, 0);
    expect(await (await easel.get('/metrics')).text()).toContain(`easel_media_bytes ${used}`);
    easel.clock.advance(HOUR_MS);
    const dry = await images.cleanup({ olderThanMs: 1, dryRun: true });
    expect(dry).toMatchObject({ deleted: 2, freedBytes: used });
    expect(await images.cleanup({ olderThanMs: 1 })).toMatchObject({ deleted: 2, freedBytes: used, orphansRemoved: 0 });
    expect(await easel.files()).toEqual([]);
  });

  it('is taken by no cleanup while a record names it, and by one when it has no record and is an hour old', async () => {
    await using easel = await start();
    await submit(easel, { mediaId: 'a', inputs: [part(logo)] });
    const path = (bytes: Uint8Array) => join(easel.folder, 'media', inputName(sha256(bytes)));
    const age = async (bytes: Uint8Array, ms: number) => {
      const time = (easel.clock.now() - ms) / 1000;
      await utimes(path(bytes), time, time);
    };
    await writeFile(path(chair), chair);
    await writeFile(path(mask), mask);
    await age(logo, 1_000 * HOUR_MS);
    await age(chair, HOUR_MS);
    await age(mask, HOUR_MS - 60_000);
    expect(await easel.services.images.cleanup({})).toMatchObject({
      orphansRemoved: 1,
      freedBytes: chair.length,
      foreignFiles: 0,
    });
    expect(await inputFiles(easel)).toEqual(names(logo, mask));
  });

  it('is there for every record that names it, whatever is made and deleted at the same time', async () => {
    await using easel = await start({ env: { IMAGE_SIZE: '256x256', CONCURRENCY: '1' } });
    const { images } = easel.services;
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const caller = async (name: string) => {
      for (let round = 0; round < 8; round += 1) {
        const mediaId = `${name}${round}`;
        await images.submit({ mediaId, prompt: 'x', inputs: [part(logo)] }, ANONYMOUS, null);
        expect(await inputFiles(easel)).toEqual(names(logo));
        await images.remove(mediaId, ANONYMOUS);
      }
    };
    await Promise.all(['a', 'b', 'c'].map(caller));
    gate.open();
    expect(await inputFiles(easel)).toEqual([]);
  });

  it('is an orphan where the process dies before its image is accepted, and the next service removes it', async () => {
    await using easel = await start();
    // Another program holds the database, so that the image waits to be accepted after its input is stored.
    using other = lockedBy(join(easel.folder, 'easel.db'));
    const accepting = submit(easel, { mediaId: 'a', inputs: [part(logo)] }).catch((cause: unknown) => cause);
    await until(async () => (await inputFiles(easel)).length > 0);
    await using left = await easel.leftByCrash();
    expect(await accepting).toMatchObject({ code: 'storage_unavailable' });
    other.release();

    await using next = await start({ folder: left.path });
    expect((await next.get('/images/a')).status).toBe(404);
    const path = join(left.path, 'media', inputName(sha256(logo)));
    expect((await readFile(path)).equals(logo)).toBe(true);
    expect(await next.services.images.cleanup({})).toMatchObject({ orphansRemoved: 0 });
    const old = (next.clock.now() - HOUR_MS) / 1000;
    await utimes(path, old, old);
    expect(await next.services.images.cleanup({})).toMatchObject({ orphansRemoved: 1 });
    expect(await inputFiles(next)).toEqual([]);
  });

  it('is not kept for a request that the budget refuses, unless another image has it', async () => {
    await using easel = await start({ env: { BUDGET_USD_PER_DAY: '0.2', IMAGE_QUALITY: 'high' } });
    await submit(easel, { mediaId: 'a', inputs: [part(logo)] });
    expect(await refusal(easel, { inputs: [part(logo), part(chair)] })).toMatchObject({ code: 'budget_exhausted' });
    expect(await inputFiles(easel)).toEqual(names(logo));
  });

  it('that is missing or damaged in the store is no input for another request', async () => {
    await using easel = await start();
    await submit(easel, { mediaId: 'a', inputs: [part(logo)] });
    const path = join(easel.folder, 'media', inputName(sha256(logo)));
    await writeFile(path, chair);
    const inputs = [{ sha256: sha256(logo) }];
    expect(await refusal(easel, { inputs })).toMatchObject({ code: 'storage_unavailable' });
    await rm(path);
    expect(await refusal(easel, { inputs })).toMatchObject({ code: 'storage_unavailable' });
    await submit(easel, { mediaId: 'b', inputs: [part(logo)] });
    expect((await submit(easel, { mediaId: 'c', inputs })).started).toBe(true);
  });
});

/** Holds the lock for writing to a database, as a program beside the service may. */
function lockedBy(path: string): Disposable & { release(): void } {
  const database = new DatabaseSync(path);
  database.exec('BEGIN IMMEDIATE');
  const release = () => {
    if (database.isOpen) database.close();
  };
  return { release, [Symbol.dispose]: release };
}
