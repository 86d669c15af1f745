import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createImage } from '../../src/api/create-image.ts';
import { imageRecord } from '../../src/api/image-record.ts';
import { problem } from '../../src/api/problem.ts';
import { ConfigError, readConfig } from '../../src/config/config.ts';
import { writeReferences } from '../support/brand-folder.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { readPages } from './pages.ts';

/** What is wrong with an example, by the kind that stands after `json`; an empty list for a sound one. */
const ISSUES: Readonly<Record<string, (example: unknown) => Promise<readonly unknown[]> | readonly unknown[]>> = {
  request: (example) => createImage.safeParse(example).error?.issues ?? [],
  'part-of-record': (example) => imageRecord.partial().safeParse(example).error?.issues ?? [],
  problem: (example) => problem.safeParse(example).error?.issues ?? [],
  presets: (example) =>
    issuesOfFile('PRESETS', example, (folder) =>
      writeReferences(folder, example as Parameters<typeof writeReferences>[1]),
    ),
  models: (example) => issuesOfFile('MODEL_CATALOG', example),
};

/** What the start says of a file that this setting names, beside what `prepare` writes. */
async function issuesOfFile(
  setting: string,
  content: unknown,
  prepare?: (folder: string) => Promise<void>,
): Promise<readonly string[]> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'settings.json');
  await writeFile(path, JSON.stringify(content));
  await prepare?.(folder.path);
  try {
    readConfig({ [setting]: path });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
}

const examples = readPages().flatMap(({ blocks }) => blocks.filter(({ language }) => language === 'json'));

it.each(examples)('the example at $place is what the service takes or gives', async ({ tags: [kind = ''], text }) => {
  expect(Object.keys(ISSUES)).toContain(kind);
  expect(await ISSUES[kind]?.(JSON.parse(text))).toEqual([]);
});

it('the examples show a request, an answer and a problem', () => {
  expect(new Set(examples.map(({ tags: [kind] }) => kind))).toEqual(new Set(Object.keys(ISSUES)));
});
