#!/usr/bin/env node
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { ZodError } from 'zod';
import { ConfigError, readCommandConfig } from './config/config.ts';
import { settingsTable } from './config/settings.ts';
import { ImageError } from './core/domain/errors.ts';
import { toRecord } from './core/domain/record.ts';
import { ageText, sizeText } from './core/planning/notation.ts';
import { describeApi } from './http/app.ts';
import { createKey, InvalidKeyError } from './security/api-keys.ts';
import { createServices, DatabaseInUseError, type Services } from './services.ts';
import { VERSION } from './version.ts';

const USAGE = `Easel ${VERSION}

  easel serve                          start the service (npm start)
  easel generate PROMPT [options]      make one picture and print its record; no service may be running
      --preset NAME  --size WxH  --model ID  --media-id ID
  easel cleanup [options]              delete old pictures and left-over files; no service may be running
      --older-than 30d  --dry-run
  easel keys create NAME SCOPE[+SCOPE]  make an API key: prints its secret, once, and the line for API_KEYS_FILE
  easel openapi [--check]              write openapi/openapi.json, or fail when it is not up to date
  easel config [--check]               print the settings as a table, or fail when the README's is not up to date

Settings come from environment variables; see the README.`;

const OPENAPI = new URL('../openapi/openapi.json', import.meta.url);
const README = new URL('../README.md', import.meta.url);

/** Whoever can run this command can read the files anyway. */
const OPERATOR = { name: 'anonymous', admin: true };

const EX_USAGE = 64;
const EX_CONFIG = 78;

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(explain(error));
  process.exitCode = error instanceof ConfigError ? EX_CONFIG : 1;
}

async function run([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      await import('./main.ts');
      return Number(process.exitCode ?? 0);
    case 'generate':
      return await generate([...args]);
    case 'cleanup':
      return await cleanUp([...args]);
    case 'keys':
      return keys([...args]);
    case 'openapi':
      return await compare(
        [...args],
        OPENAPI,
        `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`,
        'npm run openapi',
      );
    case 'config':
      return await config([...args]);
    case 'help':
    case '--help':
      console.log(USAGE);
      return 0;
    default:
      console.error(command === undefined ? USAGE : `there is no command ${command}\n\n${USAGE}`);
      return EX_USAGE;
  }
}

/** One readable text where the cause is known, everything where it is not. */
function explain(error: unknown): unknown {
  const known = [ConfigError, ImageError, DatabaseInUseError, InvalidKeyError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('\n');
  const badArguments = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  return badArguments ? `${error.message}\n\n${USAGE}` : error;
}

async function generate(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      preset: { type: 'string' },
      size: { type: 'string' },
      model: { type: 'string' },
      'media-id': { type: 'string' },
    },
  });
  const prompt = positionals.join(' ');
  if (prompt === '') {
    console.error(`say what to make, such as: easel generate "a lighthouse at dusk"\n\n${USAGE}`);
    return EX_USAGE;
  }
  return await withServices(async ({ images, urls, start }) => {
    await start();
    const create = {
      prompt,
      preset: values.preset,
      model: values.model,
      mediaId: values['media-id'],
      size: values.size === undefined ? undefined : sizeText.parse(values.size),
    };
    const { image } = await images.submit(create, OPERATOR, null);
    const ended = await images.waitUntilFinished(image.mediaId, 2 ** 31 - 1, new AbortController().signal);
    console.log(JSON.stringify(ended && toRecord(ended, urls), null, 2));
    return ended?.status === 'succeeded' ? 0 : 1;
  });
}

async function cleanUp(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { 'older-than': { type: 'string' }, 'dry-run': { type: 'boolean' } } });
  const age = values['older-than'];
  return await withServices(async ({ images }) => {
    const olderThanMs = age === undefined ? null : ageText.parse(age);
    const report = await images.cleanup({ olderThanMs, dryRun: values['dry-run'] ?? false });
    console.log(JSON.stringify(report, null, 2));
    for (const mediaId of report.missingFilesOf) {
      await images.waitUntilFinished(mediaId, 2 ** 31 - 1, new AbortController().signal);
    }
    return 0;
  });
}

function keys(args: string[]): number {
  const [command, name, scopes, ...more] = parseArgs({ args, allowPositionals: true }).positionals;
  if (command !== 'create' || name === undefined || scopes === undefined || more.length > 0) {
    console.error(`say what to make, such as: easel keys create blog generate+read\n\n${USAGE}`);
    return EX_USAGE;
  }
  const { secret, line } = createKey(name, scopes);
  console.log(`secret, shown only now:\n  ${secret}\nline for API_KEYS_FILE:\n  ${line}`);
  return 0;
}

async function config(args: string[]): Promise<number> {
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

async function withServices(work: (services: Services) => Promise<number>): Promise<number> {
  const services = await createServices(
    readCommandConfig(process.env),
    pino({ level: 'warn', base: null }, pino.destination(2)),
  );
  try {
    return await work(services);
  } finally {
    await services.stop(AbortSignal.timeout(0));
  }
}

/** Writes the text to its file, or with `--check` only says whether it stands there already. */
async function compare(args: string[], file: URL, text: string, command: string): Promise<number> {
  const { values } = parseArgs({ args, options: { check: { type: 'boolean' } } });
  if (!values.check) {
    await writeFile(file, text);
    return 0;
  }
  if ((await readFile(file, 'utf8').catch(() => null)) === text) return 0;
  console.error(`${file.pathname} is not up to date: run \`${command}\` and commit the result`);
  return 1;
}
