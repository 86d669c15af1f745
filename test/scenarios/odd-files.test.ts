import { link, mkdir, readdir, readFile, rename, rm, rmdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CleanupReport } from '../../src/core/ports/record-store.ts';
import { bytesOnDisk, type Easel, startEasel } from '../support/app/easel.ts';
import { failFiles } from '../support/failing-files.ts';
import { picture } from '../support/openai/answers.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of another size than the original, so that the master is a file of its own. */
const LIGHTHOUSE = { prompt: 'a lighthouse', size: '128x128', renditions: ['64x64.png', '64x64.webp'] };
const SMALL = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256' };

async function startWith(...mediaIds: readonly string[]): Promise<Easel> {
  const easel = await startEasel({ env: SMALL, skipMs: 1_000 });
  easel.upstream.strict = false;
  for (const mediaId of mediaIds) {
    easel.upstream.script(picture({ size: '240x240' }));
    expect((await easel.post({ ...LIGHTHOUSE, mediaId })).status).toBe(201);
  }
  return easel;
}

async function cleanUp(easel: Easel, options: object = {}): Promise<CleanupReport> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(options) };
  const response = await fetch(`${easel.url}/cleanup`, init);
  expect(response.status).toBe(200);
  return (await response.json()) as CleanupReport;
}

const inMedia = (easel: Easel, name: string) => join(easel.folder, 'media', name);

/** Puts a file of the given age into the media folder. */
async function addFile(
  easel: Easel,
  name: string,
  ageMs: number,
  content: string | Buffer = 'left over',
): Promise<void> {
  const time = (easel.clock.now() - ageMs) / 1000;
  await writeFile(inMedia(easel, name), content);
  await utimes(inMedia(easel, name), time, time);
}

/** The storage check of the health report, newly made. */
async function storageCheck(easel: Easel): Promise<{ status: string; detail?: string }> {
  easel.clock.advance(1_500);
  const { checks } = (await (await easel.get('/health')).json()) as { checks: { storage: { status: string } } };
  return checks.storage;
}

const logged = (easel: Easel, text: string) => easel.log.filter((line) => line.includes(text));

describe('a cleanup that meets files with names that Easel cannot have given', () => {
  it('leaves them alone, counts and logs them once, and does the rest', async () => {
    await using easel = await startWith('kept');
    const kept = await easel.files();
    const odd = ['a..b.png', 'back\\slash.png', 'UPPER.png', 'notes.txt', 'originals/no-attempt.png', 'x.png.part'];
    for (const name of odd) await addFile(easel, name, 2 * HOUR_MS);
    await addFile(easel, 'orphan.png', 2 * HOUR_MS);
    const found = { foreignFiles: odd.length, failures: 0, failuresOf: [], missingFiles: 0 };
    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ ...found, orphansRemoved: 1 });
    expect(await cleanUp(easel)).toMatchObject({ ...found, orphansRemoved: 1, freedBytes: 9 });
    expect(await cleanUp(easel)).toMatchObject({ ...found, orphansRemoved: 0, freedBytes: 0 });
    expect(await easel.files()).toEqual([...kept, ...odd].sort());
    const lines = logged(easel, 'names that Easel does not give');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ files: odd.length, names: expect.arrayContaining(odd) });
    expect(await storageCheck(easel)).toMatchObject({ status: 'ok' });
    expect(await (await easel.get('/cleanup/last')).json()).toMatchObject(found);
  });
});

describe('a cleanup that meets something it cannot deal with', () => {
  it('(a file that cannot be removed) removes the others, reports it, and is degraded until that is over', async () => {
    await using easel = await startWith('kept');
    const kept = await easel.files();
    for (const name of ['stuck.png', 'one.png', 'two.webp']) await addFile(easel, name, 2 * HOUR_MS);
    {
      using _fault = failFiles('unlink', '/stuck.png');
      const first = await cleanUp(easel);
      expect(first).toMatchObject({ orphansRemoved: 2, freedBytes: 18, failures: 1, failuresOf: ['stuck.png'] });
      expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 0, failures: 1, failuresOf: ['stuck.png'] });
      expect(await easel.files()).toEqual([...kept, 'stuck.png'].sort());
      expect(logged(easel, 'passed this over').map((line) => JSON.parse(line).item)).toEqual(['stuck.png']);
      const degraded = { status: 'degraded', detail: expect.stringContaining('could not deal with one file') };
      expect(await storageCheck(easel)).toMatchObject(degraded);
      // A dry run says nothing about what can be removed.
      expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ failures: 0 });
      expect(await storageCheck(easel)).toMatchObject(degraded);
      expect((await easel.get('/health/ready')).status).toBe(200);
      expect(await cleanUp(easel)).toMatchObject({ failures: 1 });
      expect(logged(easel, 'passed this over')).toHaveLength(1);
    }
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 1, failures: 0, failuresOf: [] });
    expect(await storageCheck(easel)).toMatchObject({ status: 'ok' });
  });

  it('(a name that cannot be looked at) goes on with the files behind it', async () => {
    await using easel = await startWith('kept');
    for (const name of ['a.png', 'odd.png', 'z.png']) await addFile(easel, name, 2 * HOUR_MS);
    using _fault = failFiles('lstat', '/odd.png');
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 2, failures: 1, failuresOf: ['odd.png'] });
  });

  it('(a deletion that cannot be completed) completes the others', async () => {
    await using easel = await startWith('a', 'stuck', 'z');
    await rename(inMedia(easel, 'stuck.png'), inMedia(easel, 'away.png'));
    // A folder in the place of the file: `unlink` fails for it.
    await mkdir(inMedia(easel, 'stuck.png'));
    {
      // These deletions are left half done, as by a fault of the disk that is over when the cleanup runs.
      using _fault = failFiles('unlink', '.png');
      for (const mediaId of ['a', 'stuck', 'z']) {
        expect((await fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE' })).status).toBe(204);
      }
    }
    await addFile(easel, 'orphan.png', 2 * HOUR_MS);
    const stuck = { failures: 1, failuresOf: ['stuck'] };
    expect(await cleanUp(easel)).toMatchObject({ ...stuck, orphansRemoved: 1 });
    expect(await easel.files()).toEqual(['away.png']);
    expect(await storageCheck(easel)).toMatchObject({ status: 'degraded' });
    await rmdir(inMedia(easel, 'stuck.png'));
    expect(await cleanUp(easel)).toMatchObject({ failures: 0 });
    expect(await storageCheck(easel)).toMatchObject({ status: 'ok' });
  });

  it('(an expired image whose file cannot be removed) removes the others, and finishes it later', async () => {
    await using easel = await startWith('a', 'stuck', 'z');
    easel.clock.advance(2 * HOUR_MS);
    {
      using _fault = failFiles('unlink', '/stuck.png');
      const report = await cleanUp(easel, { olderThan: '1h' });
      expect(report).toMatchObject({ deleted: 3, kept: 0, failures: 1, failuresOf: ['stuck'] });
      expect(await easel.files()).toEqual(['stuck.png']);
      expect(await storageCheck(easel)).toMatchObject({ status: 'degraded' });
    }
    expect(await cleanUp(easel)).toMatchObject({ failures: 0 });
    expect(await easel.files()).toEqual([]);
  });

  it.each(['a folder in its place', 'a fault of the disk'])(
    '(a published file: %s) repairs the other images, and reports this one',
    async (how) => {
      await using easel = await startWith('a', 'stuck', 'z');
      for (const mediaId of ['a', 'z']) await rm(inMedia(easel, `${mediaId}@64x64.png`));
      await rm(inMedia(easel, 'stuck@64x64.png'));
      if (how === 'a folder in its place') await mkdir(inMedia(easel, 'stuck@64x64.png'));
      using _fault = failFiles('readFile', how === 'a fault of the disk' ? '/stuck@64x64.png' : 'nothing');
      const expected = { missingFiles: 2, missingFilesOf: ['z', 'a'], failures: 1, failuresOf: ['stuck'] };
      expect(await cleanUp(easel)).toMatchObject(expected);
      await expect.poll(async () => (await easel.get('/media/a@64x64.png')).status).toBe(200);
      await expect.poll(async () => (await easel.get('/media/z@64x64.png')).status).toBe(200);
      expect(await storageCheck(easel)).toMatchObject({
        status: 'degraded',
        detail: expect.stringContaining('could not deal with'),
      });
      expect(easel.upstream.calls).toHaveLength(3);
    },
  );

  it('(the folder of the originals) answers 503, and is degraded until one succeeds', async () => {
    await using easel = await startWith('kept');
    await rename(inMedia(easel, 'originals'), inMedia(easel, '.originals'));
    await writeFile(inMedia(easel, 'originals'), 'a file');
    const failed = await fetch(`${easel.url}/cleanup`, { method: 'POST' });
    expect(failed.status).toBe(503);
    expect(await storageCheck(easel)).toMatchObject({ status: 'degraded' });
    await rm(inMedia(easel, 'originals'));
    await rename(inMedia(easel, '.originals'), inMedia(easel, 'originals'));
    expect(await cleanUp(easel)).toMatchObject({ failures: 0 });
    expect(await storageCheck(easel)).toMatchObject({ status: 'ok' });
  });
});

describe('a published file that is damaged', () => {
  it.each([
    ['a truncated master', 'x.png', (path: string) => truncate(path, 10)],
    ['an empty rendition', 'x@64x64.webp', (path: string) => truncate(path, 0)],
    [
      'one flipped byte',
      'x@64x64.png',
      async (path: string) => {
        const content = await readFile(path);
        content[20] = (content[20] ?? 0) ^ 1;
        await writeFile(path, content);
      },
    ],
  ])('(%s) is made again from its original by the next cleanup', async (_what, name, damage) => {
    await using easel = await startWith('x');
    const before = await easel.record('x');
    // Where the master is, the picture is processed once more.
    const repaired = { ...before, ...(name === 'x.png' && { statusSince: expect.any(String) }) };
    await damage(inMedia(easel, name));
    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ missingFiles: 1, missingFilesOf: ['x'] });
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1, missingFilesOf: ['x'], failures: 0 });
    await expect.poll(async () => (await easel.get(`/media/${name}`)).status).toBe(200);
    await expect.poll(() => easel.record('x')).toEqual(repaired);
    const { body } = await easel.post({ ...LIGHTHOUSE, mediaId: 'x' });
    expect(body).toEqual(repaired);
    expect(easel.upstream.calls).toHaveLength(1);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0 });
  });
});

describe('a damaged master that is its original byte for byte', () => {
  it('is made again from its original', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    const before = await easel.record('x');
    await truncate(inMedia(easel, 'x.png'), 10);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1, missingFilesOf: ['x'], failures: 0 });
    await expect.poll(async () => (await easel.get('/media/x.png')).status).toBe(200);
    await expect.poll(() => easel.record('x')).toEqual({ ...before, statusSince: expect.any(String) });
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0 });
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is reported each time where its original is damaged, too, and nothing is paid for', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    const before = await easel.record('x');
    const [original = ''] = await readdir(inMedia(easel, 'originals'));
    for (const name of ['x.png', `originals/${original}`]) await truncate(inMedia(easel, name), 10);
    for (let times = 1; times <= 2; times++) {
      expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1, missingFilesOf: ['x'], failures: 0 });
      expect(logged(easel, '"repairing":false')).toHaveLength(times);
    }
    expect(await easel.record('x')).toEqual(before);
    expect(easel.upstream.calls).toHaveLength(1);
  });
});

describe('an original without a record', () => {
  it('is kept for 30 days, however few there are', async () => {
    await using easel = await startWith('kept');
    await addFile(easel, 'originals/gone~1', 30 * DAY_MS - HOUR_MS);
    await addFile(easel, 'gone.png', 2 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 1 });
    expect(await readdir(inMedia(easel, 'originals'))).toContain('gone~1');
    easel.clock.advance(2 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 1 });
    expect(await readdir(inMedia(easel, 'originals'))).not.toContain('gone~1');
  });
});

describe('a folder that another database has taken over while the service runs', () => {
  it('loses no file to this one', async () => {
    await using easel = await startWith('kept');
    await addFile(easel, 'new-there.png', 2 * HOUR_MS);
    const mark = await readFile(inMedia(easel, '.easel'), 'utf8');
    await writeFile(inMedia(easel, '.easel'), 'another\n');
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 0 });
    expect(logged(easel, 'bears the mark of another database now')).toHaveLength(1);
    expect(await easel.files()).toContain('new-there.png');
    await writeFile(inMedia(easel, '.easel'), mark);
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 1 });
  });
});

describe('a folder where a picture is to be published', () => {
  it('fails that image, which is finished without a call once it is gone, and holds up no other', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    await mkdir(inMedia(easel, 'x.png'));
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([503, 'storage_unavailable']);
    expect((await easel.post({ mediaId: 'y', prompt: 'a tower' })).status).toBe(201);
    await rmdir(inMedia(easel, 'x.png'));
    expect((await easel.post({ mediaId: 'x', prompt: 'a lighthouse' })).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(2);
  });
});

describe('the bytes on disk', () => {
  const gauge = async (easel: Easel) => {
    const [, value] = /^easel_media_bytes (\S+)$/m.exec(await (await easel.get('/metrics')).text()) ?? [];
    return Number(value);
  };

  it('are counted with originals set aside, and each file once', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'a', prompt: 'a lighthouse' });
    const ofA = await bytesOnDisk(easel, 'a');
    await addFile(easel, 'originals/a~aside', HOUR_MS, Buffer.alloc(1_000_000));
    await expect.poll(() => gauge(easel)).toBe(ofA + 1_000_000);
    await easel.post({ mediaId: 'b', prompt: 'a tower' });
    await expect.poll(() => gauge(easel)).toBe(ofA + (await bytesOnDisk(easel, 'b')) + 1_000_000);
    await fetch(`${easel.url}/images/b`, { method: 'DELETE' });
    await expect.poll(() => gauge(easel)).toBe(ofA + 1_000_000);
  });

  it('push out the oldest image when MEDIA_MAX_BYTES is less than all of them, after what belongs to no image', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'old', prompt: 'a lighthouse' });
    easel.clock.advance(1000);
    await easel.post({ mediaId: 'young', prompt: 'a tower' });
    const ofOld = await bytesOnDisk(easel, 'old');
    const published = ofOld + (await bytesOnDisk(easel, 'young'));
    await addFile(easel, 'orphan.png', 2 * HOUR_MS, Buffer.alloc(1_000_000));
    expect(await cleanUp(easel, { maxBytes: published, dryRun: true })).toMatchObject({ deleted: 0 });
    expect(await cleanUp(easel, { maxBytes: published })).toMatchObject({ deleted: 0, orphansRemoved: 1 });
    // A new file counts as an image's: its record may not be written yet.
    await addFile(easel, 'originals/young~aside', 0, Buffer.alloc(1_000));
    const expected = { deleted: 1, kept: 1, freedBytes: ofOld };
    expect(await cleanUp(easel, { maxBytes: published, dryRun: true })).toMatchObject(expected);
    expect(await cleanUp(easel, { maxBytes: published })).toMatchObject(expected);
    expect((await easel.get('/images/young')).status).toBe(200);
  });

  it('of files that belong to no image push out none', async () => {
    await using easel = await startEasel();
    for (const mediaId of ['a', 'b']) await easel.post({ mediaId, prompt: 'a lighthouse' });
    const ofImages = (await bytesOnDisk(easel, 'a')) + (await bytesOnDisk(easel, 'b'));
    await addFile(easel, 'notes.zip', 2 * HOUR_MS, Buffer.alloc(6_000_000));
    await addFile(easel, 'originals/gone~1', 2 * HOUR_MS, Buffer.alloc(3_000_000));
    expect(await cleanUp(easel, { maxBytes: ofImages })).toMatchObject({ deleted: 0, kept: 2, foreignFiles: 1 });
    expect(logged(easel, 'no picture is removed for them')).toHaveLength(1);
    expect(await cleanUp(easel, { maxBytes: ofImages - 1 })).toMatchObject({ deleted: 1, kept: 1 });
  });

  it('are counted once whatever links to them there are in a backup', async () => {
    await using easel = await startEasel();
    for (const mediaId of ['a', 'b', 'c']) {
      await easel.post({ mediaId, prompt: 'a lighthouse' });
      easel.clock.advance(1000);
    }
    for (const [number, name] of (await easel.files()).entries())
      await link(inMedia(easel, name), join(easel.folder, `backup-${number}`));
    const all = (await Promise.all(['a', 'b', 'c'].map((id) => bytesOnDisk(easel, id)))).reduce((a, b) => a + b);
    await cleanUp(easel);
    expect(await gauge(easel)).toBe(all);
    expect(await cleanUp(easel, { maxBytes: all - 1 })).toMatchObject({ deleted: 1, kept: 2 });
  });
});
