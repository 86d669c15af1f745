/** The documents in this repository that are generated from the code. With `--check` they are compared, not written. */

import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { describeApi } from '../composition/describe-api.ts';
import { VERSION } from '../composition/version.ts';
import { settingsTable } from '../config/settings.ts';

/** Adds `openapi` and `config`. */
export function addDocuments(program: Command): void {
  program
    .command('openapi')
    .description('write openapi/openapi.json from the code')
    .option('--check', 'fail when it is not up to date, instead of writing it')
    .addHelpText('after', '\nExample:\n  easel openapi --check')
    .action(async (options: CheckOption) => {
      process.exitCode = await writeOpenApi(options);
    });
  program
    .command('config')
    .description('print the settings as a table')
    .option('--check', "fail when the README's table is not up to date, instead of printing it")
    .addHelpText('after', '\nExample:\n  easel config')
    .action(async (options: CheckOption) => {
      process.exitCode = await printSettings(options);
    });
}

interface CheckOption {
  readonly check?: boolean;
}

const OPENAPI = new URL('../../openapi/openapi.json', import.meta.url);
const README = new URL('../../README.md', import.meta.url);

/** Writes `openapi/openapi.json`; with `--check`, fails when it is not up to date. */
async function writeOpenApi({ check }: CheckOption): Promise<number> {
  const document = `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`;
  if (!check) {
    await writeFile(OPENAPI, document);
    return 0;
  }
  if ((await readFile(OPENAPI, 'utf8').catch(() => null)) === document) return 0;
  console.error(`${OPENAPI.pathname} is not up to date: run \`npm run openapi\` and commit the result`);
  return 1;
}

/** Prints the table of settings; with `--check`, fails when the README does not contain it. */
async function printSettings({ check }: CheckOption): Promise<number> {
  const table = settingsTable();
  if (!check) {
    console.log(table);
    return 0;
  }
  if ((await readFile(README, 'utf8')).includes(table)) return 0;
  console.error(
    'the settings table in README.md is not up to date: replace it with what `npm run --silent easel config` prints',
  );
  return 1;
}
