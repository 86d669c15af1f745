import { mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prepareOutputFile } from '../../../src/cli/pictures/output-file.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const PICTURE = new TextEncoder().encode('a picture');

it('leaves nothing beside the file, and what is there as it is, until a picture is written', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'a.png');
  await writeFile(path, 'an older one');
  const file = await prepareOutputFile(path);
  expect([await readdir(folder.path), await readFile(path, 'utf8')]).toEqual([['a.png'], 'an older one']);
  await file.write(PICTURE);
  expect([await readdir(folder.path), await readFile(path, 'utf8')]).toEqual([['a.png'], 'a picture']);
});

it('writes where a symbolic link leads to, and leaves the link', async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'pictures'));
  await writeFile(join(folder.path, 'pictures', 'b.png'), 'an older one');
  const link = join(folder.path, 'a.png');
  await symlink('pictures/b.png', link);
  await (await prepareOutputFile(link)).write(PICTURE);
  expect(await readlink(link)).toBe('pictures/b.png');
  expect(await readFile(link, 'utf8')).toBe('a picture');
  expect(await readdir(join(folder.path, 'pictures'))).toEqual(['b.png']);
});

it('refuses a folder, and says where a folder has gone by the time of the picture', async () => {
  await using folder = await temporaryFolder();
  const place = join(folder.path, 'place.png');
  await mkdir(place);
  await expect(prepareOutputFile(place)).rejects.toThrow(/^--out: .*place\.png is a folder$/);
  const file = await prepareOutputFile(join(place, 'a.png'));
  await rm(place, { recursive: true });
  await expect(file.write(PICTURE)).rejects.toThrow(/a\.png cannot be written: no such file or directory \(ENOENT\)$/);
});
