import { createHash } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedFiles, startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { picture } from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const sha256 = (bytes: ArrayBuffer) => createHash('sha256').update(new Uint8Array(bytes)).digest('hex');

describe('deleting', () => {
  it('never serves a partial or mixed file while a picture is deleted and made again under the same name', async () => {
    await using easel = await startEasel({ env: { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256' } });
    easel.upstream.strict = false;
    const versions = new Set<string>();
    const seen: {
      readonly name: string;
      readonly status: number;
      readonly sha256: string;
      readonly tag: string | null;
    }[] = [];
    let over = false;

    const read = async (name: string) => {
      while (!over) {
        const response = await easel.get(`/media/${name}`);
        const bytes = await response.arrayBuffer();
        seen.push({ name, status: response.status, sha256: sha256(bytes), tag: response.headers.get('etag') });
      }
    };
    const readers = ['same.png', 'same.png', 'same@256x160.png', 'same@256x160.png'].map(read);
    for (let version = 1; version <= 6; version++) {
      const { status, body } = await easel.post({ mediaId: 'same', prompt: `version ${version}` });
      expect(status).toBe(201);
      for (const file of publishedFiles(body)) versions.add(`${file.url} ${file.sha256}`);
      expect((await easel.get('/images/same')).status).toBe(200);
      const before = seen.length;
      await until(() => seen.slice(before).some(({ status }) => status === 200));
      const response = await fetch(`${easel.url}/images/same`, { method: 'DELETE' });
      expect(response.status).toBe(204);
    }
    over = true;
    await Promise.all(readers);

    const whole = seen.filter(({ status }) => status === 200);
    for (const { name, sha256, tag } of whole) {
      expect(versions).toContain(`/media/${name} ${sha256}`);
      expect(tag).toBe(`"${sha256}"`);
    }
    expect(new Set(seen.map(({ status }) => status))).toEqual(new Set([200, 404]));
    expect(await easel.files()).toEqual([]);
  });

  it('does not wait for a picture that no disk takes, and leaves no file or record', async () => {
    await using easel = await startEasel();
    const originals = join(easel.folder, 'media', 'originals');
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
    await gate.reached();
    await rename(originals, `${originals}.away`);
    await writeFile(originals, '');
    gate.open();
    await expect.poll(() => easel.log.some((line) => line.includes('storage failed, retrying'))).toBe(true);
    // The files cannot be removed either: the record is gone all the same, and the next cleanup completes the deletion.
    expect((await fetch(`${easel.url}/images/x`, { method: 'DELETE' })).status).toBe(204);
    expect((await easel.get('/images/x')).status).toBe(404);
    await rm(originals);
    await rename(`${originals}.away`, originals);
    await easel.services.images.cleanup({});
    expect(await easel.files()).toEqual([]);
  });

  it('is completed at the next start where a crash came between the record and its files', async () => {
    await using folder = await temporaryFolder();
    const temporary = join(folder.path, 'media', '.tmp', 'cut-off');
    {
      await using easel = await startEasel({ folder: folder.path });
      await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    }
    const records = openRecords(folder.path);
    await records.remove('x');
    await records.close();
    await writeFile(temporary, 'half a picture');

    await using easel = await startEasel({ folder: folder.path });
    expect(await easel.files()).toEqual([]);
    expect((await easel.post({ mediaId: 'x', prompt: 'a tower' })).status).toBe(201);
  });

  it('aborts the call of a picture that is being made, and leaves no file or record', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ beforeHeaders: 'forever' }));
    const waiting = easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    await easel.upstream.received(1);
    expect((await fetch(`${easel.url}/images/x`, { method: 'DELETE' })).status).toBe(204);
    await easel.upstream.abandoned(1);
    // The waiting caller is answered as soon as it is cancelled; the record may be gone by then.
    const { status, body } = await waiting;
    expect(['200 cancelled', '404 404']).toContain(`${status} ${body.status}`);
    expect((await easel.get('/images/x')).status).toBe(404);
    expect(await easel.files()).toEqual([]);
    expect((await easel.post({ mediaId: 'x', prompt: 'a tower' })).status).toBe(201);
  });
});
