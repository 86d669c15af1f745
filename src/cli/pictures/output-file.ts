import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { RenditionFormat } from '../../core/domain/formats.ts';
import { CommandError, describeSystemError, UsageError } from '../failure.ts';

/** Standard output, as a name for `--out`. */
export const STANDARD_OUTPUT = '-';

/**
 * The one of `formats` that the ending of `path` stands for; undefined for standard output, which has none. Raises `UsageError` for any
 * other ending.
 */
export function formatOf<Format extends RenditionFormat>(path: string, formats: readonly Format[]): Format | undefined {
  if (path === STANDARD_OUTPUT) return undefined;
  const ending = extname(path).slice(1).toLowerCase();
  const format = formats.find((name) => name === (ending === 'jpg' ? 'jpeg' : ending));
  if (format !== undefined) return format;
  const [last, ...others] = formats
    .flatMap((name) => (name === 'jpeg' ? ['.jpeg', '.jpg'] : [`.${name}`]))
    .toReversed();
  const endings = `${others.toReversed().join(', ')} or ${last}`;
  throw new UsageError(`--out: ${path} must end in ${endings}, or be - for standard output`);
}

/** Where a picture is written to. */
export interface OutputFile extends AsyncDisposable {
  /** Writes all bytes, durably; the file has its name from then on. Raises `CommandError`. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Opens the file at `path` for writing, before anything is paid: a temporary file beside it, which `write` renames. What is at `path` stays
 * until then, and for good when nothing is written. Raises `CommandError` where the file cannot be made.
 */
export async function openOutputFile(path: string): Promise<OutputFile> {
  if (path === STANDARD_OUTPUT) return { write: writeStandardOutput, [Symbol.asyncDispose]: async () => undefined };
  if ((await stat(path).catch(() => null))?.isDirectory()) throw new CommandError(`--out: ${path} is a folder`);
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  const file = await open(temporary, 'wx').catch((error: Error) => {
    throw new CommandError(`--out: ${path} cannot be written: ${describeSystemError(error)}`, { cause: error });
  });
  return {
    async write(bytes) {
      try {
        await file.writeFile(bytes);
        await file.sync();
        await rename(temporary, path);
      } catch (error) {
        throw new CommandError(`--out: ${path} cannot be written: ${describeSystemError(error as Error)}`, {
          cause: error,
        });
      }
    },
    [Symbol.asyncDispose]: () => discard(file, temporary),
  };
}

async function discard(file: FileHandle, path: string): Promise<void> {
  await file.close().catch(() => undefined);
  await rm(path, { force: true }).catch(() => undefined);
}

function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error)
        reject(new CommandError(`standard output cannot be written: ${describeSystemError(error)}`, { cause: error }));
      else resolve();
    });
  });
}
