#!/usr/bin/env node
import { ZodError } from 'zod';
import { describeApi } from '../composition/describe-api.ts';
import { VERSION } from '../composition/version.ts';
import { ConfigError } from '../config/config.ts';
import { DatabaseInUseError, ImageError } from '../core/domain/errors.ts';
import { InvalidKeyError } from '../security/api-keys.ts';
import { cleanUp } from './cleanup.ts';
import { OPENAPI, printSettings, writeOrCheck } from './documents.ts';
import { generate } from './generate.ts';
import { manageKeys } from './keys.ts';
import { EX_CONFIG, EX_USAGE, USAGE } from './usage.ts';

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(describeError(error));
  process.exitCode = error instanceof ConfigError ? EX_CONFIG : 1;
}

async function run([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      await import('../main.ts');
      return Number(process.exitCode ?? 0);
    case 'generate':
      return await generate([...args]);
    case 'cleanup':
      return await cleanUp([...args]);
    case 'keys':
      return manageKeys([...args]);
    case 'openapi':
      return await writeOrCheck(
        [...args],
        OPENAPI,
        `${JSON.stringify(await describeApi(VERSION), null, 2)}\n`,
        'npm run openapi',
      );
    case 'config':
      return await printSettings([...args]);
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
function describeError(error: unknown): unknown {
  const known = [ConfigError, ImageError, DatabaseInUseError, InvalidKeyError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('\n');
  const badArguments = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  return badArguments ? `${error.message}\n\n${USAGE}` : error;
}
