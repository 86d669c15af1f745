import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { anImage } from '../../../contracts/record-store/example-images.ts';
import { integrity, makePlaceForEach, stopped } from './fixture.ts';

const place = makePlaceForEach();

describe('durability', () => {
  it('syncs the parent of every folder that it makes', () => {
    const paths = new Map<number, string>();
    const synced: string[] = [];
    const { openSync, fsyncSync } = fs;
    vi.spyOn(fs, 'openSync').mockImplementation((path, ...rest) => {
      const descriptor = openSync(path, ...rest);
      paths.set(descriptor, relative(place.folder(), String(path)) || '.');
      return descriptor;
    });
    vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
      fsyncSync(descriptor);
      synced.push(paths.get(descriptor) ?? '');
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    place.open(join(place.folder(), 'deep', 'data', 'easel.db'));
    expect(synced).toEqual(['.', 'deep']);
  });

  it('keeps everything that was accepted before a SIGKILL, in a sound file', async () => {
    const accepted: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const child = place.startChild(`
        const records = open();
        const image = ${JSON.stringify(anImage())};
        let index = 0;
        // Eight at once, so that commits are shared.
        for (let worker = 0; worker < 8; worker += 1) void (async () => {
          for (;;) {
            const mediaId = 'r${round}-' + index++;
            await records.accept({ ...image, mediaId }, Infinity);
            await records.update(mediaId, (stored) => ({ ...stored, status: 'generating' }));
            process.stdout.write(mediaId + '\\n');
          }
        })();`);
      const enough = accepted.length + 40 + round;
      for await (const line of createInterface({ input: child.stdout })) {
        accepted.push(line);
        if (accepted.length === enough) child.kill('SIGKILL');
      }
      await stopped(child);
    }
    const records = place.open();
    expect(accepted.length).toBeGreaterThan(80);
    for (const mediaId of accepted) expect((await records.get(mediaId))?.status).toBe('generating');
    expect(integrity(place.path())).toBe('ok');
  });
});
