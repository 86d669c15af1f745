import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config/config.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { issuesOf } from '../issues-of.ts';

const SIZE = { width: 64, height: 32 };

/** A presets' file at `path` whose preset `acme` has these files as references. */
async function writePresets(path: string, ...files: readonly string[]): Promise<void> {
  const references = files.map((file) => ({ file, use: `how ${file} is used` }));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, JSON.stringify({ acme: { description: 'Acme.', size: '1024x1024', references } }));
}

describe('the reference pictures of presets', () => {
  it('are read from the folder of the file, in each format that models take, also by links that stay inside', async () => {
    await using folder = await temporaryFolder();
    const PRESETS = join(folder.path, 'presets.json');
    const pictures: Record<string, Buffer> = {
      'brand/logo.png': await texturedPicture(SIZE),
      'brand/paper.jpeg': await texturedPicture({ ...SIZE, format: 'jpeg' }),
      '..mark.webp': await texturedPicture({ ...SIZE, format: 'webp' }),
    };
    await mkdir(join(folder.path, 'brand'));
    for (const [file, bytes] of Object.entries(pictures)) await writeFile(join(folder.path, file), bytes);
    await symlink(join(folder.path, 'brand', 'logo.png'), join(folder.path, 'link.png'));
    await writePresets(PRESETS, ...Object.keys(pictures), 'link.png');
    const { referenceFiles, presets } = readConfig({ PRESETS });
    expect(Object.fromEntries(referenceFiles)).toEqual({ ...pictures, 'link.png': pictures['brand/logo.png'] });
    expect(presets.at(-1)?.references?.map(({ file }) => file)).toEqual([...referenceFiles.keys()]);
  });

  it.each<[string, string, RegExp, ((folder: string) => Promise<unknown> | unknown)?]>([
    ['a missing file', 'logo.png', /there is no file at this path/],
    ['a path that leaves the folder', '../logo.png', /must be a path below the folder/],
    ['an absolute path', '/etc/hostname', /must be a path below the folder/],
    ['a folder', 'brand', /this path must lead to a file/, (folder) => mkdir(join(folder, 'brand'))],
    [
      'a pipe, without waiting for it',
      'pipe.png',
      /this path must lead to a file/,
      (folder) => execFileSync('mkfifo', [join(folder, 'pipe.png')]),
    ],
    ['an empty file', 'logo.png', /the file is empty/, (folder) => writeFile(join(folder, 'logo.png'), '')],
    [
      'an SVG',
      'logo.svg',
      /must be a PNG, JPEG or WebP picture/,
      (folder) => writeFile(join(folder, 'logo.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ],
    [
      'a link that leads out',
      'logo.png',
      /a link leads out of the folder/,
      async (folder) => {
        await writeFile(join(folder, '..', 'logo.png'), await texturedPicture(SIZE));
        await symlink('../logo.png', join(folder, 'logo.png'));
      },
    ],
    [
      'a folder that is a link that leads out',
      'brand/logo.png',
      /a link leads out of the folder/,
      async (folder) => {
        await mkdir(join(folder, '..', 'other'));
        await writeFile(join(folder, '..', 'other', 'logo.png'), await texturedPicture(SIZE));
        await symlink('../other', join(folder, 'brand'));
      },
    ],
    [
      'a file beyond what any model takes',
      'logo.png',
      /the file has 50000001 bytes, and the models take at most 50000000/,
      (folder) => writeFile(join(folder, 'logo.png'), Buffer.alloc(50_000_001)),
    ],
  ])('are refused for %s, in one sentence', async (_, file, sentence, prepare) => {
    await using outer = await temporaryFolder();
    const folder = join(outer.path, 'presets');
    await writePresets(join(folder, 'presets.json'), file);
    await prepare?.(folder);
    expect(issuesOf({ PRESETS: join(folder, 'presets.json') })).toEqual([
      expect.stringMatching(new RegExp(`^PRESETS: acme\\.references\\.0\\.file: .*${sentence.source}`)),
    ]);
  });

  it('are refused where they are more than any model takes', async () => {
    await using folder = await temporaryFolder();
    const PRESETS = join(folder.path, 'presets.json');
    await writePresets(PRESETS, ...Array.from({ length: 17 }, (_, number) => `${number}.png`));
    expect(issuesOf({ PRESETS })).toEqual([
      'PRESETS: acme.references: must be at most 16, as many pictures as the models take',
    ]);
  });

  it('are reported all at once, beside other wrong settings', async () => {
    await using folder = await temporaryFolder();
    const PRESETS = join(folder.path, 'presets.json');
    await writePresets(PRESETS, 'a.png', 'b.png');
    expect(issuesOf({ PRESETS, PORT: 'x' })).toEqual([
      expect.stringMatching(/^PORT: /),
      expect.stringMatching(/^PRESETS: acme\.references\.0\.file: /),
      expect.stringMatching(/^PRESETS: acme\.references\.1\.file: /),
    ]);
  });

  it.each([
    [{}, []],
    [
      { IMAGE_MODEL: 'dall-e-3' },
      [expect.stringMatching(/^PRESETS has reference pictures for acme, and IMAGE_MODEL /)],
    ],
    [{ IMAGE_MODEL: 'dall-e-3', PROVIDERS: 'local', PROVIDER_LOCAL_MODEL: 'gpt-image-2' }, []],
  ])('are warned of where the configured model cannot edit: %j', async (env, warnings) => {
    await using folder = await temporaryFolder();
    const PRESETS = join(folder.path, 'presets.json');
    await writePresets(PRESETS, 'logo.png');
    await writeFile(join(folder.path, 'logo.png'), await texturedPicture(SIZE));
    const given = { PROVIDER_LOCAL_BASE_URL: 'http://127.0.0.1:8080/v1' };
    expect(readConfig({ ...('PROVIDERS' in env && given), ...env, PRESETS }).warnings).toEqual(warnings);
  });
});
