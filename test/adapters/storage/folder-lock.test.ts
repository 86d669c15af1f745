import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
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

  it('is made anew where its file is damaged', async () => {
    await writeFile(join(root, '.easel.lock'), Buffer.alloc(8192, 7));
    const release = lockFolder(root);
    expect(() => lockFolder(root)).toThrow(MediaInUseError);
    release();
  });

  it('is no lock of another where the file system gives none', async () => {
    // As every lock of SQLite fails on a network file system without a lock manager.
    const { exec } = DatabaseSync.prototype;
    using _exec = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
      if (sql === 'BEGIN EXCLUSIVE') throw Object.assign(new Error('database is locked'), { errcode: 5 });
      exec.call(this, sql);
    });
    expect(() => lockFolder(root)).toThrow('its file system gives no locks');
    expect(await readdir(root)).toEqual(['.easel.lock']);
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
