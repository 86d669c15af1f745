import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { bytesOnDisk, type Easel, startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { openEventStream } from '../support/network/event-stream.ts';
import { picture } from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const REQUEST = { mediaId: 'hero', prompt: 'a lighthouse', renditions: ['64x40.png'] };
const THUMB = '/media/hero@thumb.webp';

/** Makes the picture `hero`, and has its record and files be as an older Easel would have left them. */
async function leftByOlderEasel(folder: string, lost: readonly string[] = []): Promise<void> {
  const easel = await startEasel({ folder });
  await easel.post(REQUEST);
  const [original = ''] = (await easel.files()).filter((name) => name.startsWith('originals/'));
  await easel[Symbol.asyncDispose]();
  const records = openRecords(folder);
  await records.update('hero', ({ thumbnail: _, times: _times, pinned: _pinned, ...image }) => image);
  await records.close();
  for (const name of ['hero@thumb.webp', ...lost.map((one) => (one === 'original' ? original : one))]) {
    await rm(join(folder, 'media', name));
  }
}

async function thumbnailOf(easel: Pick<Easel, 'record'>): Promise<NonNullable<ImageRecord['thumbnail']>> {
  const { thumbnail } = await easel.record('hero');
  if (thumbnail === null) throw new Error('the record shows no thumbnail');
  return thumbnail;
}

describe('the thumbnail of a picture', () => {
  it('is published with the master as any file, and goes with the picture', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post(REQUEST);
    expect(body.thumbnail).toMatchObject({ url: THUMB, width: 480, height: 300 });
    expect(body.renditions.map(({ url }) => url)).toEqual(['/media/hero@64x40.png']);
    const answer = await easel.get(body.thumbnail?.versionedUrl ?? '');
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width: 480, height: 300 });
    expect(bytes.length).toBeLessThanOrEqual(60_000);

    const etag = answer.headers.get('etag') ?? '';
    const part = await easel.get(THUMB, { range: 'bytes=0-9' });
    expect([part.status, part.headers.get('etag')]).toEqual([206, etag]);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(0, 10));
    expect((await easel.get(THUMB, { 'if-none-match': etag })).status).toBe(304);
    expect((await fetch(`${easel.url}${THUMB}`, { method: 'HEAD' })).headers.get('content-length')).toBe(
      `${bytes.length}`,
    );
    // A popular one is answered from memory.
    for (const _ of [1, 2, 3]) expect(Buffer.from(await (await easel.get(THUMB)).arrayBuffer())).toEqual(bytes);
    for (const name of ['hero@thumb.png', 'hero@thumb', 'other@thumb.webp']) {
      expect((await easel.get(`/media/${name}`)).status).toBe(404);
    }

    const onDisk = await bytesOnDisk(easel, 'hero');
    const { freedBytes } = await easel.services.images.cleanup({ olderThanMs: 0, dryRun: true });
    expect(freedBytes).toBe(onDisk);
    await fetch(`${easel.url}/images/hero`, { method: 'DELETE' });
    expect([(await easel.get(THUMB)).status, await easel.files()]).toEqual([404, []]);
  });

  it('is null until the picture has succeeded', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const { body } = await easel.post(REQUEST, { prefer: 'respond-async' });
    expect([body.thumbnail, body.startedAt]).toEqual([null, null]);
    expect(body.statusSince).toBe(body.createdAt);
    gate.open();
  });
});

describe('a picture of an older Easel', () => {
  it('has its thumbnail made at the first request of the URL that its record shows', async () => {
    await using folder = await temporaryFolder();
    await leftByOlderEasel(folder.path);
    await using easel = await startEasel({ folder: folder.path });
    expect(await thumbnailOf(easel)).toEqual({ url: THUMB, versionedUrl: THUMB, width: 480, height: 300 });
    const answers = await Promise.all([1, 2, 3].map(() => easel.get(THUMB)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const hash = answers[0]?.headers.get('etag')?.slice(1, 13);
    expect((await thumbnailOf(easel)).versionedUrl).toBe(`${THUMB}?v=${hash}`);
    expect(await easel.files()).toContain('hero@thumb.webp');
    expect(await easel.services.images.cleanup({})).toMatchObject({ missingFiles: 0, orphansRemoved: 0 });
  });

  it('keeps its ETag over a restart, and changes it with its thumbnail, of which who follows all pictures hears once', async () => {
    await using folder = await temporaryFolder();
    await leftByOlderEasel(folder.path);
    const tagOf = async (easel: Easel) => (await easel.get('/images/hero')).headers.get('etag');
    const before = await startEasel({ folder: folder.path });
    const old = await tagOf(before);
    await before[Symbol.asyncDispose]();
    await using easel = await startEasel({ folder: folder.path, skipMs: 4_000 });
    expect(await tagOf(easel)).toBe(old);

    await using stream = await openEventStream(`${easel.url}/events`, undefined, {});
    await stream.nextFrame();
    for (const _ of [1, 2]) await (await easel.get(THUMB)).arrayBuffer();
    expect(await stream.next()).toMatchObject({ event: 'changed', data: await easel.record('hero') });
    const made = await tagOf(easel);
    expect(made).not.toBe(old);
    await fetch(`${easel.url}/images/hero`, { method: 'DELETE' });
    expect(await stream.next()).toMatchObject({ event: 'deleted' });
  });

  it('has it made of the master where the original is lost, and says so where both are', async () => {
    await using folder = await temporaryFolder();
    await leftByOlderEasel(folder.path, ['original']);
    await using easel = await startEasel({ folder: folder.path });
    expect((await easel.get(THUMB)).status).toBe(200);
    await easel[Symbol.asyncDispose]();
    await using another = await temporaryFolder();
    await leftByOlderEasel(another.path, ['original', 'hero.png']);
    await using broken = await startEasel({ folder: another.path });
    const answer = await broken.get(THUMB);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, 'storage_unavailable']);
  });

  it('keeps its signed URL where pictures are private: it opens the thumbnail before it is made, and after', async () => {
    await using folder = await temporaryFolder();
    await leftByOlderEasel(folder.path);
    await using easel = await startEasel({ folder: folder.path, env: { MEDIA_ACCESS: 'private' } });
    const { url } = await thumbnailOf(easel);
    // A request that may not have it makes nothing.
    expect([(await easel.get(THUMB)).status, await easel.files()]).toEqual([
      403,
      expect.not.arrayContaining(['hero@thumb.webp']),
    ]);
    for (const _ of [1, 2]) {
      const answer = await easel.get(url);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([
        200,
        'private, max-age=300, must-revalidate',
      ]);
    }
    const { versionedUrl } = await thumbnailOf(easel);
    expect(versionedUrl).toMatch(/@thumb\.webp\?v=[0-9a-f]{12}&expires=\d+&signature=/);
    expect((await easel.get(versionedUrl)).status).toBe(200);
    expect((await easel.get(url.replace('hero@thumb.webp', 'hero.png'))).status).toBe(403);
  });
});

it('is stored by its content where several processes publish, and goes with the picture there, too', async () => {
  await using easel = await startEasel({ isShared: true });
  await easel.post(REQUEST);
  const [stored = ''] = (await easel.files()).filter((name) => name.includes('@thumb'));
  expect(stored).toMatch(/^hero@thumb~[0-9a-f]{16}\.webp$/);
  const answer = Buffer.from(await (await easel.get(THUMB)).arrayBuffer());
  expect(answer).toEqual(await readFile(join(easel.folder, 'media', stored)));
  expect((await easel.get(`/media/${stored}`)).status).toBe(404);
  await fetch(`${easel.url}/images/hero`, { method: 'DELETE' });
  expect(await easel.files()).toEqual([]);
});
