import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import type { FileSource } from '../../../src/core/ports/media-store.ts';
import { bytes, listed, text } from '../../contracts/media-store.ts';
import { faulty, makeRootForEach, traced } from './fixture.ts';

const disk = makeRootForEach();
let root: string;

beforeEach(() => {
  root = disk.root();
});

describe('durability', () => {
  const newFiles: readonly FileSource[] = [
    { name: 'a.png', from: 'originals/a~1' },
    { name: 'a@1x1.png', bytes: bytes('one') },
    { name: 'a@2x2.png', bytes: bytes('two') },
  ];

  it('syncs the parent of every folder that it makes', async () => {
    const { fs, log } = traced(disk.folder());
    await createDiskStore({ root: join(disk.folder(), 'deep', 'media'), fs });
    expect(log).toEqual(['sync .', 'sync deep', 'sync deep/media', 'sync deep/media', 'sync deep/media']);
    log.length = 0;
    await createDiskStore({ root: join(disk.folder(), 'deep', 'media'), fs });
    expect(log).toEqual([]);
  });

  it('syncs every file before the first rename, and each folder once after the last', async () => {
    const plain = await createDiskStore({ root });
    await plain.put('originals/a~1', bytes('original'));
    const { fs, log } = traced(root);
    const store = await createDiskStore({ root, fs });
    log.length = 0;
    await store.publish([...newFiles, { name: 'originals/b~1', bytes: bytes('b') }]);
    const steps = log.filter((step) => /^(sync|rename)/.test(step));
    expect(steps).toEqual([
      'sync .tmp/*',
      'sync .tmp/*',
      'sync .tmp/*',
      'sync .tmp/*',
      'rename a.png',
      'rename a@1x1.png',
      'rename a@2x2.png',
      'rename originals/b~1',
      'sync .',
      'sync originals',
    ]);
    log.length = 0;
    await store.remove(['a.png', 'a@1x1.png']);
    expect(log.filter((step) => /^(sync|unlink)/.test(step))).toEqual(['unlink a.png', 'unlink a@1x1.png', 'sync .']);
    log.length = 0;
    await store.removeTemporary();
    expect(log).toEqual(['sync .tmp']);
  });

  it('publishes an unchanged original as a durable copy with a modification time of its own, which damage to it leaves whole', async () => {
    const { fs, log } = traced(root, faulty({}));
    const store = await createDiskStore({ root, fs });
    await store.put('originals/a~1', bytes('original'));
    await utimes(join(root, 'originals', 'a~1'), 1000, 1000);
    const { mtimeMs: ofOriginal } = await stat(join(root, 'originals', 'a~1'));
    log.length = 0;
    await store.publish(newFiles);
    // The copy is synced like the two new files, and before any of them has its name.
    expect(log.slice(0, 4)).toEqual(['sync .tmp/*', 'sync .tmp/*', 'sync .tmp/*', 'rename a.png']);
    expect((await stat(join(root, 'a.png'))).mtimeMs).toBeGreaterThan(ofOriginal);
    await truncate(join(root, 'a.png'), 3);
    expect(await text(store, 'originals/a~1')).toBe('original');
    await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
    expect(await text(store, 'a.png')).toBe('original');
    expect(await disk.temporaryFiles()).toEqual([]);
  });

  it('shows no partial file, and keeps every promised one, over SIGKILLs in the middle of writes', async () => {
    const promised: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', writerScript(root, round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const enough = promised.length + 7 + 6 * round;
      for await (const line of createInterface({ input: child.stdout })) {
        promised.push(line);
        if (promised.length === enough) child.kill('SIGKILL');
      }
      if (child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');

      const store = await createDiskStore({ root });
      await store.removeTemporary();
      expect(await disk.temporaryFiles()).toEqual([]);
      const files = await listed(store);
      const names = new Set(files.map(({ name }) => name));
      expect(promised.filter((name) => !names.has(name))).toEqual([]);
      for (const { name } of files) expect(isWhole(await readFile(join(root, name))), name).toBe(true);
    }
  }, 30_000);
});

/** A script that writes until it is killed, three files at a time, under new names and one that is replaced; prints each promised name. */
function writerScript(root: string, round: number): string {
  const module = new URL('../../../src/adapters/storage/disk.ts', import.meta.url).href;
  return `
    import { createHash } from 'node:crypto';
    import { createDiskStore } from ${JSON.stringify(module)};
    const store = await createDiskStore({ root: ${JSON.stringify(root)} });
    const whole = (size, fill) => {
      const payload = Buffer.alloc(size, fill);
      return Buffer.concat([createHash('sha256').update(payload).digest(), payload]);
    };
    const write = async (lane) => {
      for (let index = 0; ; index += 1) {
        const name = 'r${round}-' + lane + '-' + index;
        const original = 'originals/' + name + '~1';
        await store.put(original, whole(400_000 + index, index));
        await store.publish([
          { name: name + '.png', from: original },
          { name: name + '@1x1.png', bytes: whole(300_000 + index, lane) },
          { name: 'same.png', bytes: whole(200_000 * (lane + 1), index) },
        ]);
        process.stdout.write(original + '\\n' + name + '.png\\n' + name + '@1x1.png\\n');
      }
    };
    await Promise.all([write(0), write(1), write(2)]);`;
}

function isWhole(content: Buffer): boolean {
  return createHash('sha256').update(content.subarray(32)).digest().equals(content.subarray(0, 32));
}
