#!/usr/bin/env node
/** The command-line interface. Each command is a function that takes its arguments and returns the exit code. */

import { ZodError } from 'zod';
import { ConfigError, EX_CONFIG } from '../config/config.ts';
import { DatabaseInUseError, ForeignMediaError, ImageError, MediaInUseError } from '../core/domain/errors.ts';
import { InvalidKeyError } from '../security/api-keys.ts';
import { cleanUp } from './cleanup.ts';
import { writeOpenApi, writeSettings } from './documents.ts';
import { generate } from './generate.ts';
import { manageKeys } from './keys.ts';
import { EX_USAGE, USAGE } from './usage.ts';

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(describeError(error));
  process.exitCode = error instanceof ConfigError || error instanceof ForeignMediaError ? EX_CONFIG : 1;
}

async function run([command, ...args]: string[]): Promise<number> {
  switch (command) {
    case 'serve':
      await import('../main.ts');
      return Number(process.exitCode ?? 0);
    case 'generate':
      return await generate(args);
    case 'cleanup':
      return await cleanUp(args);
    case 'keys':
      return manageKeys(args);
    case 'openapi':
      return await writeOpenApi(args);
    case 'config':
      return await writeSettings(args);
    case 'help':
    case '--help':
      console.log(USAGE);
      return 0;
    default:
      console.error(command === undefined ? USAGE : `there is no command ${command}\n\n${USAGE}`);
      return EX_USAGE;
  }
}

/** The message alone for expected errors, else the whole error with its stack. */
function describeError(error: unknown): unknown {
  const expected = [ConfigError, ForeignMediaError, ImageError, DatabaseInUseError, MediaInUseError, InvalidKeyError];
  if (error instanceof Error && expected.some((kind) => error instanceof kind)) return error.message;
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('\n');
  const isWrongUsage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  return isWrongUsage ? `${error.message}\n\n${USAGE}` : error;
}
