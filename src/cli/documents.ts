/** The documents in this repository that are generated from the code. With `--check` they are compared, not written. */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { VERSION } from '../composition/version.ts';
import { settingsPage } from '../config/messages/settings-page.ts';
import { UsageError } from './failure.ts';

/** Adds `openapi` and `config`. */
export function addDocuments(program: Command): void {
  program
    .command('openapi')
    .description("write openapi/openapi.json of Easel's source; a service has it at /openapi.json")
    .option('--check', 'fail when it is not up to date, instead of writing it')
    .addHelpText('after', '\nExample:\n  easel openapi --check')
    .action(async (options: CheckOption) => {
      process.exitCode = await writeOpenApi(options);
    });
  program
    .command('config')
    .description('print every setting with its default and limits, as Markdown')
    .option('--write', 'write them to docs/settings.md instead')
    .option('--check', 'fail when docs/settings.md is not up to date, instead of printing them')
    .addHelpText('after', '\nExample:\n  easel config')
    .action(async (options: CheckOption) => {
      process.exitCode = await printSettings(options);
    });
}

interface CheckOption {
  readonly check?: boolean;
}

const OPENAPI = new URL('../../openapi/openapi.json', import.meta.url);
const SETTINGS = new URL('../../docs/settings.md', import.meta.url);

/** Raises `UsageError` in a package and in a container, which have no documents to keep: `instead` is what serves there. */
function needCheckout(what: string, instead: string): void {
  if (existsSync(new URL('.', SETTINGS))) return;
  throw new UsageError(`${what} is about a file of Easel's source, which is not here; ${instead}`);
}

/** Writes `openapi/openapi.json`; with `--check`, fails when it is not up to date. */
async function writeOpenApi({ check }: CheckOption): Promise<number> {
  needCheckout('openapi', 'a running service has the document at /openapi.json');
  // Loaded here, not with the command line: `--help` needs none of the service.
  const { describeApi } = await import('../composition/describe-api.ts');
  const document = `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`;
  return check ? await compare(OPENAPI, document, 'openapi') : await write(OPENAPI, document);
}

/** Prints the settings as Markdown; with `--write` writes `docs/settings.md`, with `--check` fails when it is not up to date. */
async function printSettings({ check, write: toFile }: CheckOption & { readonly write?: boolean }): Promise<number> {
  if (check || toFile) needCheckout(`config --${check ? 'check' : 'write'}`, 'config alone prints the settings');
  const page = settingsPage();
  if (check) return await compare(SETTINGS, page, 'docs');
  if (toFile) return await write(SETTINGS, page);
  console.log(page.trimEnd());
  return 0;
}

async function write(file: URL, text: string): Promise<number> {
  await writeFile(file, text);
  return 0;
}

/** `script`: the npm script that writes the file. */
async function compare(file: URL, text: string, script: string): Promise<number> {
  if ((await readFile(file, 'utf8').catch(() => null)) === text) return 0;
  console.error(`${file.pathname} is not up to date: run \`npm run ${script}\` and commit the result`);
  return 1;
}
