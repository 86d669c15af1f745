import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { settingsTable } from '../config/settings.ts';

export const OPENAPI = new URL('../../openapi/openapi.json', import.meta.url);
const README = new URL('../../README.md', import.meta.url);

export async function printSettings(args: string[]): Promise<number> {
  if (!args.includes('--check')) {
    console.log(settingsTable());
    return 0;
  }
  if ((await readFile(README, 'utf8')).includes(settingsTable())) return 0;
  console.error(
    'the settings table in README.md is not up to date: replace it with what `npm run --silent easel config` prints',
  );
  return 1;
}

/** Writes the text to its file, or with `--check` only says whether it stands there already. */
export async function writeOrCheck(args: string[], file: URL, text: string, command: string): Promise<number> {
  const { values } = parseArgs({ args, options: { check: { type: 'boolean' } } });
  if (!values.check) {
    await writeFile(file, text);
    return 0;
  }
  if ((await readFile(file, 'utf8').catch(() => null)) === text) return 0;
  console.error(`${file.pathname} is not up to date: run \`${command}\` and commit the result`);
  return 1;
}
