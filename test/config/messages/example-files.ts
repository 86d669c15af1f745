import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';

const FILES = { JSON: '{\n  "a": 1,\n  "b": c\n}', LIST: '[]', KEYS: 'blog:hunter2:read' };

/** Makes a folder of files for the tests of this file. In an environment they are named by words in capitals. */
export function useExampleFiles() {
  let folder: TemporaryFolder;
  beforeAll(async () => {
    folder = await temporaryFolder();
    for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder.path, name), text);
    await mkdir(join(folder.path, 'FOLDER'));
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  return {
    /** Puts the paths of the files in the place of their names: of those above, of `FOLDER`, and of `MISSING`, which is not there. */
    withPaths(env: Readonly<Record<string, string>>): Record<string, string> {
      const isFile = (value: string) => value in FILES || value === 'MISSING' || value === 'FOLDER';
      return Object.fromEntries(
        Object.entries(env).map(([name, value]) => [name, isFile(value) ? join(folder.path, value) : value]),
      );
    },
  };
}
