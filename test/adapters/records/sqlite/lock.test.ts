import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { DatabaseInUseError } from '../../../../src/core/domain/errors.ts';
import { anImage } from '../../../contracts/record-store/example-images.ts';
import { integrity, makePlaceForEach, stopped } from './fixture.ts';

const place = makePlaceForEach();

describe('one process at a time', () => {
  it('refuses a second opener in the same process, and admits it after close', async () => {
    const records = place.open();
    const refused = () => place.open();
    expect(refused).toThrow(DatabaseInUseError);
    expect(refused).toThrow(`another Easel process (pid ${process.pid}`);
    expect(refused).toThrow(place.path());
    await records.close();
    await place.open().check();
  });

  it('refuses an opener by another path to the same file', async () => {
    place.open();
    await symlink(place.path(), join(place.folder(), 'link.db'));
    expect(() => place.open(join(place.folder(), 'link.db'))).toThrow(DatabaseInUseError);
  });

  it('leaves the file open to readers and backups', async () => {
    const records = place.open();
    await records.accept(anImage({ mediaId: 'a' }), 1);
    const reader = new DatabaseSync(place.path(), { readOnly: true });
    expect(reader.prepare('SELECT media_id FROM images').all()).toMatchObject([{ media_id: 'a' }]);
    const copy = join(place.folder(), 'copy.db');
    reader.prepare('VACUUM INTO ?').run(copy);
    reader.close();
    expect(integrity(copy)).toBe('ok');
  });

  it('names the process that holds the lock, and can take the lock as soon as that is killed', async () => {
    const child = place.startChild(`
      globalThis.records = open();
      process.stdout.write('open\\n');
      setInterval(() => {}, 1000);`);
    await once(child.stdout, 'data');
    expect(() => place.open()).toThrow(`pid ${child.pid} on `);
    child.kill('SIGKILL');
    await stopped(child);
    await place.open().check();
  });

  it('refuses another process', async () => {
    place.open();
    const child = place.startChild(`
      try {
        open();
        process.stdout.write('opened');
      } catch (error) {
        process.stdout.write(error.name + ': ' + error.message);
      }`);
    const [output] = await once(child.stdout, 'data');
    expect(String(output)).toContain(`DatabaseInUseError: another Easel process (pid ${process.pid} on `);
  });
});

it('the lock is held on a second file beside the database', () => {
  place.open();
  expect(existsSync(`${place.path()}.lock`)).toBe(true);
});
