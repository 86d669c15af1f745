/** The documents in this repository that are generated from the code. With `--check` they are compared, not written. */

import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { describeApi } from '../composition/describe-api.ts';
import { VERSION } from '../composition/version.ts';
import { settingsPage } from '../config/messages/settings-page.ts';

const OPENAPI = new URL('../../openapi/openapi.json', import.meta.url);
const SETTINGS = new URL('../../docs/settings.md', import.meta.url);

/** Writes `openapi/openapi.json`; with `--check`, fails when it is not up to date. */
export async function writeOpenApi(args: string[]): Promise<number> {
  return await writeOrCompare(args, OPENAPI, `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`, 'openapi');
}

/** Writes `docs/settings.md`; with `--check`, fails when it is not up to date. */
export async function writeSettings(args: string[]): Promise<number> {
  return await writeOrCompare(args, SETTINGS, settingsPage(), 'docs');
}

/** `script`: the npm script that writes the file. */
async function writeOrCompare(args: string[], file: URL, text: string, script: string): Promise<number> {
  if (!isCheck(args)) {
    await writeFile(file, text);
    return 0;
  }
  if ((await readFile(file, 'utf8').catch(() => null)) === text) return 0;
  console.error(`${file.pathname} is not up to date: run \`npm run ${script}\` and commit the result`);
  return 1;
}

function isCheck(args: string[]): boolean {
  return parseArgs({ args, options: { check: { type: 'boolean' } } }).values.check ?? false;
}
