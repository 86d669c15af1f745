import { randomUUID } from 'node:crypto';
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
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
export interface OutputFile {
  /** Writes all bytes, durably; the file has its name from then on. Raises `CommandError`. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * The file at `path`, or that a symbolic link there leads to, which is tried before anything is paid: a temporary file is made beside it
 * and removed, so that nothing is left however the command ends. `write` makes one again, and renames it: what is at `path` stays until
 * then, and for good when nothing is written. Raises `CommandError` where no file can be made.
 */
export async function prepareOutputFile(path: string): Promise<OutputFile> {
  if (path === STANDARD_OUTPUT) return { write: writeStandardOutput };
  const target = await realpath(path).catch(() => path);
  if ((await stat(target).catch(() => null))?.isDirectory()) throw new CommandError(`--out: ${path} is a folder`);
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  async function make(bytes: Uint8Array, finish: () => Promise<void>): Promise<void> {
    try {
      await writeFile(temporary, bytes, { flag: 'wx', flush: true });
      await finish();
    } catch (error) {
      const reason = describeSystemError(error as Error);
      throw new CommandError(`--out: ${path} cannot be written: ${reason}`, { cause: error });
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }
  await make(new Uint8Array(), async () => undefined);
  return { write: (bytes) => make(bytes, () => rename(temporary, target)) };
}

function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) =>
      reject(new CommandError(`standard output cannot be written: ${describeSystemError(error)}`, { cause: error }));
    // A stream says so by an event, too, which would end the process.
    process.stdout.once('error', onError);
    process.stdout.write(bytes, (error) => {
      if (error) return onError(error);
      process.stdout.off('error', onError);
      resolve();
    });
  });
}
