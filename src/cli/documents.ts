/** The documents in this repository that are generated from the code. With `--check` they are compared, not written. */

import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { describeApi } from '../composition/describe-api.ts';
import { VERSION } from '../composition/version.ts';
import { settingsTable } from '../config/settings.ts';

const OPENAPI = new URL('../../openapi/openapi.json', import.meta.url);
const README = new URL('../../README.md', import.meta.url);

/** Writes `openapi/openapi.json`; with `--check`, fails when it is not up to date. */
export async function writeOpenApi(args: string[]): Promise<number> {
  const document = `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`;
  if (!isCheck(args)) {
    await writeFile(OPENAPI, document);
    return 0;
  }
  if ((await readFile(OPENAPI, 'utf8').catch(() => null)) === document) return 0;
  console.error(`${OPENAPI.pathname} is not up to date: run \`npm run openapi\` and commit the result`);
  return 1;
}

/** Prints the table of settings; with `--check`, fails when the README does not contain it. */
export async function printSettings(args: string[]): Promise<number> {
  const table = settingsTable();
  if (!isCheck(args)) {
    console.log(table);
    return 0;
  }
  if ((await readFile(README, 'utf8')).includes(table)) return 0;
  console.error(
    'the settings table in README.md is not up to date: replace it with what `npm run --silent easel config` prints',
  );
  return 1;
}

function isCheck(args: string[]): boolean {
  return parseArgs({ args, options: { check: { type: 'boolean' } } }).values.check ?? false;
}
