import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { lockFolder } from '../../../src/adapters/storage/folder-lock.ts';
import { MediaInUseError } from '../../../src/core/domain/errors.ts';
import { makeRootForEach } from './fixture.ts';

const disk = makeRootForEach();
let root: string;

beforeEach(async () => {
  root = disk.root();
  await mkdir(root);
});

describe('the lock of a folder', () => {
  it('is held by one at a time, by whatever path, and free after its release', async () => {
    const release = lockFolder(root);
    expect(() => lockFolder(root)).toThrow(MediaInUseError);
    expect(() => lockFolder(root)).toThrow(`another Easel process (pid ${process.pid} on `);
    await symlink(root, join(disk.folder(), 'link'));
    expect(() => lockFolder(join(disk.folder(), 'link'))).toThrow(MediaInUseError);
    release();
    release();
    lockFolder(root)();
  });

  it('is refused while another process writes its token, and taken over from one that has ended', () => {
    lockFolder(root)();
    const other = new DatabaseSync(join(root, '.easel.lock'));
    other.exec(`BEGIN EXCLUSIVE; UPDATE holder SET token = 'other', pid = 1`);
    expect(() => lockFolder(root)).toThrow('(just starting)');
    other.exec('COMMIT');
    other.close();
    lockFolder(root)();
  });

  it('is lost to another process that writes its token before this one reads its own', () => {
    lockFolder(root)();
    const { close } = DatabaseSync.prototype;
    using closing = vi.spyOn(DatabaseSync.prototype, 'close').mockImplementationOnce(function (this: DatabaseSync) {
      close.call(this);
      const other = new DatabaseSync(join(root, '.easel.lock'));
      other.exec(`UPDATE holder SET token = 'other', pid = 1, host = 'elsewhere'`);
      close.call(other);
    });
    expect(() => lockFolder(root)).toThrow('another Easel process (pid 1 on elsewhere) is using');
    expect(closing).toHaveBeenCalledTimes(2);
    lockFolder(root)();
  });

  it('cannot be taken where the folder is missing', () => {
    expect(() => lockFolder(join(root, 'none'))).toThrow(expect.objectContaining({ code: 'ERR_SQLITE_ERROR' }));
  });
});
