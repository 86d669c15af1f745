import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputName, sha256 } from '../../src/core/domain/file-names.ts';
import type { GivenInput } from '../../src/core/domain/input.ts';
import { ANONYMOUS, type Caller, type CreateImage } from '../../src/core/domain/request.ts';
import { type Easel, type EaselOptions, startEasel } from '../support/app/easel.ts';
import { type FileServer, redirectTo, startFileServer } from '../support/network/file-server.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { animatedWebp, hugePng, texturedPicture, truncated } from '../support/pictures.ts';
import { until } from '../support/until.ts';

// Through the use cases: how inputs come in by HTTP is tested with the routes.

const HOUR_MS = 3_600_000;
const SIZE = { width: 96, height: 64 };
const SHOP: Caller = { name: 'shop', seesAll: false, admin: false };
const BLOG: Caller = { name: 'blog', seesAll: false, admin: false };

let logo: Buffer;
let chair: Buffer;
let mask: Buffer;
let files: FileServer;
let internal: FileServer;

beforeAll(async () => {
  logo = await texturedPicture({ ...SIZE, seed: 'logo' });
  chair = await texturedPicture({ ...SIZE, seed: 'chair', format: 'jpeg' });
  mask = await texturedPicture({ ...SIZE, seed: 'mask', transparent: true });
  files = await startFileServer();
  internal = await startFileServer();
});
afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await internal[Symbol.asyncDispose]();
});

const start = (options: EaselOptions = {}) =>
  startEasel({ ...options, env: { FETCH_ALLOW_HOSTS: files.host, IMAGE_RENDITIONS: '', ...options.env } });

const part = (bytes: Uint8Array): GivenInput => ({ file: 'image', bytes });

/** Submits a request, and waits for the end of its image. */
async function submit(easel: Easel, create: CreateImage, caller: Caller = ANONYMOUS, key: string | null = null) {
  const { images } = easel.services;
  const { image, started } = await images.submit({ prompt: 'a lighthouse', ...create }, caller, key);
  const ended = await images.waitUntilFinished(image.mediaId, 600_000, new AbortController().signal);
  if (ended === null) throw new Error(`${image.mediaId} is gone`);
  return { started, image: ended };
}

/** Why a request is refused; nothing of it is stored, and no model is called. */
async function refusal(easel: Easel, create: CreateImage, caller: Caller = ANONYMOUS) {
  const before = [await easel.files(), easel.upstream.calls.length];
  const error = await submit(easel, create, caller).catch((cause: unknown) => cause);
  expect([await easel.files(), easel.upstream.calls.length]).toEqual(before);
  if (create.mediaId) expect((await easel.get(`/images/${create.mediaId}`)).status).toBe(404);
  return error as Error & { readonly code: string; readonly paths: readonly { readonly path: string }[] };
}

const inputFiles = async (easel: Easel) => (await easel.files()).filter((name) => name.startsWith('inputs/'));
const names = (...pictures: readonly Uint8Array[]) => pictures.map((bytes) => inputName(sha256(bytes))).sort();

describe('inputs', () => {
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

describe('a request is refused whole, and nothing of it is stored or paid,', () => {
  let easel: Easel;
  beforeAll(async () => {
    easel = await start({
      env: {
        FETCH_ALLOW_HOSTS: files.host,
        PROVIDERS: 'openai,plain',
        PROVIDER_PLAIN_BASE_URL: 'http://127.0.0.1:9/v1',
        PROVIDER_PLAIN_EDITS: 'false',
      },
    });
    internal.serve('/logo.png', logo);
    await submit(easel, { mediaId: 'of-shop', inputs: [part(chair)] }, SHOP);
    easel.upstream.script(openAiError('moderation_blocked'));
    await submit(easel, { mediaId: 'failed' }, SHOP);
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  const many = (count: number) => Array.from({ length: count }, () => part(logo));
  const large = () => Buffer.concat([logo, Buffer.alloc(51_000_000)]);

  it.each<[string, string, string, () => CreateImage | Promise<CreateImage>]>([
    ['17 inputs', 'unsupported_parameter', 'inputs', () => ({ inputs: many(17) })],
    ['a provider that cannot edit', 'unsupported_parameter', 'inputs', () => ({ inputs: many(1), provider: 'plain' })],
    ['an input of 51 MB', 'payload_too_large', 'inputs.1', () => ({ inputs: [part(logo), part(large())] })],
    ['a mask of 5 MB', 'payload_too_large', 'mask', () => ({ inputs: many(1), mask: part(large().subarray(0, 5e6)) })],
    ['51 MB behind a URL', 'payload_too_large', 'inputs.0', () => ({ inputs: [{ url: files.serve('/51', large()) }] })],
    ['an SVG', 'invalid_request', 'inputs.0', () => ({ inputs: [part(Buffer.from('<svg width="9" height="9"/>'))] })],
    ['a bomb', 'invalid_request', 'inputs.2', () => ({ inputs: [...many(2), part(hugePng())] })],
    ['a broken picture', 'invalid_request', 'inputs.1', () => ({ inputs: [part(logo), part(truncated(chair))] })],
    ['an animation', 'invalid_request', 'inputs.0', async () => ({ inputs: [part(await animatedWebp(SIZE))] })],
    ['nothing in an input', 'invalid_request', 'inputs.0', () => ({ inputs: [part(Buffer.alloc(0))] })],
    ['a mask without alpha', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(logo) })],
    ['a mask that is a jpeg', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(chair) })],
    ['a mask of another size', 'invalid_request', 'mask', async () => ({ inputs: many(1), mask: part(await tall()) })],
    ['a broken mask', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(truncated(mask)) })],
    ['a mask without inputs', 'invalid_request', 'mask', () => ({ mask: part(mask) })],
    ['an unknown image', 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'unknown' }] })],
    ["another key's image", 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'of-shop' }] })],
    ["another key's failed image", 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'failed' }] })],
    ["another key's input", 'not_found', 'inputs.0', () => ({ inputs: [{ sha256: sha256(chair) }] })],
    ['a content that is no input', 'not_found', 'mask', () => ({ inputs: many(1), mask: { sha256: sha256(mask) } })],
    ['a private address', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: `${internal.origin}/logo.png` }] })],
    ['a redirect to one', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: toInternal() }] })],
    ['a URL that gives HTML', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: files.serve('/p', HTML) }] })],
    ['a URL that gives nothing', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: `${files.origin}/none` }] })],
  ])('for %s', async (_, code, path, make) => {
    expect(await refusal(easel, { mediaId: 'x', ...(await make()) }, BLOG)).toMatchObject({ code, paths: [{ path }] });
    expect(internal.asked).toEqual([]);
  });

  it('for an image that failed, and one that is at work', async () => {
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const working = submit(easel, { mediaId: 'working' }, BLOG);
    await until(async () => (await easel.record('working')).status === 'generating');
    const conflict = { code: 'media_id_conflict', paths: [{ path: 'inputs.0' }] };
    expect(await refusal(easel, { inputs: [{ mediaId: 'working' }] }, BLOG)).toMatchObject(conflict);
    expect(await refusal(easel, { inputs: [{ mediaId: 'failed' }] }, SHOP)).toMatchObject(conflict);
    gate.open();
    await working;
    const { image } = await submit(easel, { inputs: [{ mediaId: 'working' }] }, BLOG);
    expect(image.request.inputs).toMatchObject([{ width: 1024, height: 640, source: { mediaId: 'working' } }]);
  });

  it('names unknown and forbidden images alike', async () => {
    const [unknown, forbidden] = await Promise.all(
      ['nothing', 'of-shop'].map(async (mediaId) => {
        const { message } = await refusal(easel, { inputs: [{ mediaId }] }, BLOG);
        return message.replace(mediaId, 'ID');
      }),
    );
    expect(forbidden).toBe(unknown);
  });
});

describe('an input', () => {
  it('goes with the last image that has it, and a cleanup says so before', async () => {
    await using easel = await start();
    const { images } = easel.services;
    for (const mediaId of ['a', 'b']) await submit(easel, { mediaId, inputs: [part(logo), part(chair)].slice(0, 2) });
    await submit(easel, { mediaId: 'c', inputs: [part(logo)] });
    const bytes = async () => (await easel.services.pictures.find('c.png'))?.file.bytes ?? 0;
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

const HTML = Buffer.from('<!doctype html><title>A page about a logo</title>');
const tall = () => texturedPicture({ width: SIZE.height, height: SIZE.width, transparent: true });
const toInternal = () => files.serve('/r', redirectTo(`${internal.origin}/logo.png`));

/** Holds the lock for writing to a database, as a program beside the service may. */
function lockedBy(path: string): Disposable & { release(): void } {
  const database = new DatabaseSync(path);
  database.exec('BEGIN IMMEDIATE');
  const release = () => {
    if (database.isOpen) database.close();
  };
  return { release, [Symbol.dispose]: release };
}
