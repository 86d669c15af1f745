/** Files that are stored under names with their checksums, as several replicas do, beside the plain names of a single process. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../src/core/domain/file-names.ts';
import { bytesOnDisk, type Easel, publishedFiles, startEasel } from '../support/app/easel.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const REQUEST = { mediaId: 'hero', prompt: 'a lighthouse', renditions: ['64x40.webp', '64x40.avif'] };
const CLEANUP = { olderThanMs: null, maxBytes: null, status: null, dryRun: false };
const HOUR_MS = 3_600_000;

const pathIn = (easel: Pick<Easel, 'folder'>, name: string) => join(easel.folder, 'media', name);
const published = (names: readonly string[]) => names.filter((name) => !name.startsWith('originals/'));
const withChecksum = (name: string, hash: string) => name.replace(/(\.\w+)$/, `~${hash.slice(0, 16)}$1`);

/** Every file of the record is served under its public name, and its path is where it is. */
async function expectServed(easel: Easel, isStoredBy: 'content' | 'name'): Promise<void> {
  const record = await easel.made('hero');
  const files = publishedFiles(record);
  expect(files).toHaveLength(3);
  for (const { url, path, sha256: hash, bytes } of files) {
    const name = url?.split('/').at(-1) ?? '';
    const stored = isStoredBy === 'content' ? withChecksum(name, hash ?? '') : name;
    expect(path).toBe(pathIn(easel, stored));
    const answer = await easel.get(url ?? '');
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${hash}"`]);
    const content = Buffer.from(await answer.arrayBuffer());
    expect([content.length, sha256(content)]).toEqual([bytes, hash]);
    expect(sha256(await readFile(path ?? ''))).toBe(hash);
  }
}

it('a picture is served under its public name, and its stored name is no public one', async () => {
  await using easel = await startEasel({ isShared: true });
  expect((await easel.post(REQUEST)).status).toBe(201);
  await expectServed(easel, 'content');
  for (const name of published(await easel.files())) expect((await easel.get(`/media/${name}`)).status).toBe(404);
  const provenance = (await (await easel.get('/images/hero/provenance')).json()) as {
    master: { integrity: string };
    renditions: readonly { integrity: string }[];
  };
  expect([provenance.master, ...provenance.renditions].map(({ integrity }) => integrity)).toEqual(
    Array(3).fill('intact'),
  );
  const bytes = await bytesOnDisk(easel, 'hero');
  const { freedBytes } = await easel.services.images.cleanup({ ...CLEANUP, olderThanMs: 0, dryRun: true });
  expect(freedBytes).toBe(bytes);
  expect((await fetch(`${easel.url}/images/hero`, { method: 'DELETE' })).status).toBe(204);
  expect(await easel.files()).toEqual([]);
});

it('a lost or damaged file is repaired, and what no record names any more is an orphan', async () => {
  await using easel = await startEasel({ isShared: true });
  await easel.post(REQUEST);
  const before = publishedFiles(await easel.made('hero'));
  await rm(before[0]?.path ?? '');
  await writeFile(before[1]?.path ?? '', 'damaged');
  // As a replica leaves it that has lost its claim.
  const orphan = pathIn(easel, 'hero~0123456789abcdef.png');
  await writeFile(orphan, 'late');
  const files = await easel.files();
  expect(await easel.services.images.cleanup(CLEANUP)).toMatchObject({ missingFiles: 1, orphansRemoved: 0 });
  await easel.services.images.waitUntilFinished('hero', 120_000, new AbortController().signal);
  await expectServed(easel, 'content');
  // Made from the same original in the same way, the files have the same content, and so the same names.
  expect(await easel.files()).toEqual([...files, before[0]?.path?.split('/').at(-1)].sort());
  easel.clock.advance(2 * HOUR_MS);
  expect(await easel.services.images.cleanup(CLEANUP)).toMatchObject({ missingFiles: 0, orphansRemoved: 1 });
  await expectServed(easel, 'content');
});

it.each([
  ['a single process', false],
  ['several', true],
])('files that %s published are served by the other, which repairs them under its own names', async (_, isFirst) => {
  await using folder = await temporaryFolder();
  const names = (isShared: boolean) => (isShared ? 'content' : 'name');
  {
    await using easel = await startEasel({ folder: folder.path, isShared: isFirst });
    await easel.post(REQUEST);
    await expectServed(easel, names(isFirst));
  }
  await using easel = await startEasel({ folder: folder.path, isShared: !isFirst });
  await expectServed(easel, names(isFirst));
  const master = publishedFiles(await easel.made('hero'))[0];
  await rm(master?.path ?? '');
  expect(await easel.services.images.cleanup(CLEANUP)).toMatchObject({ missingFiles: 1 });
  await easel.services.images.waitUntilFinished('hero', 120_000, new AbortController().signal);
  await expectServed(easel, names(!isFirst));
  easel.clock.advance(2 * HOUR_MS);
  expect(await easel.services.images.cleanup(CLEANUP)).toMatchObject({ orphansRemoved: 3 });
  await expectServed(easel, names(!isFirst));
  expect(published(await easel.files())).toHaveLength(4);
  expect((await fetch(`${easel.url}/images/hero`, { method: 'DELETE' })).status).toBe(204);
  expect(await easel.files()).toEqual([]);
});
