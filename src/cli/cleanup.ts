import { type Command, Option } from 'commander';
import { z } from 'zod';
import { nonBlankText } from '../api/fields.ts';
import type { CleanupOptions } from '../client/shapes.ts';
import { FINISHED_STATUSES } from '../core/domain/image.ts';
import { ageText } from '../core/planning/notation.ts';
import { parseOption } from './option-values.ts';
import { withProblems } from './problem-output.ts';
import { addressOf } from './service/address.ts';
import type { Session } from './service/session.ts';
import { withEasel } from './service/with-easel.ts';

type CleanupFlags = NonNullable<CleanupOptions>;

const BYTES_WORDS = 'must be a whole number of bytes, such as 10000000000';
const bytes = z
  .string()
  .regex(/^\d{1,15}$/, BYTES_WORDS)
  .transform(Number);
/** As it is written: the service reads it by the same schema. */
const age = z
  .string()
  .refine((text) => ageText.safeParse(text).success, 'must be a number and s, m, h or d, such as 30d');

/** Adds `cleanup`. */
export function addCleanup(program: Command): void {
  program
    .command('cleanup')
    .description('delete old pictures and left-over files, print a report, and make lost files again')
    .option('--older-than <age>', 'a number and s, m, h or d; default: RETENTION', parseOption('--older-than', age))
    .option(
      '--max-bytes <bytes>',
      'then delete the oldest until all files take no more; default: MEDIA_MAX_BYTES',
      parseOption('--max-bytes', bytes),
    )
    .addOption(new Option('--status <status>', 'only pictures with it').choices(FINISHED_STATUSES))
    .option('--label <label>', 'only pictures with this label', parseOption('--label', nonBlankText))
    .option('--key <name>', 'only pictures that the API key of this name made', parseOption('--key', nonBlankText))
    .option('--dry-run', 'delete nothing: the report only, with the first 100 pictures that would go')
    .option('--json', 'print the problem of a failure too; the report is JSON in any case')
    .addHelpText(
      'after',
      '\nWithout --url, a service with SQLite must not be running. With PostgreSQL the replicas make lost files again, and this does not' +
        '\nwait for that; a service at --url does it by itself.' +
        '\n\nExample:\n  easel cleanup --older-than 30d --dry-run',
    )
    .action(async ({ json, ...options }: CleanupFlags & { readonly json?: boolean }, command: Command) => {
      await withProblems(json, '/cleanup', () =>
        withEasel(addressOf(command, process.env), (session) => cleanUp(session, options)),
      );
    });
}

/** Runs one cleanup, prints its report, and waits until lost files have been made again, where this process makes them. */
async function cleanUp({ easel, makes, interrupted, signal }: Session, options: CleanupFlags): Promise<number> {
  const report = await easel.cleanup(options, { signal });
  console.log(JSON.stringify(report, null, 2));
  if (!makes) return 0;
  for (const mediaId of report.missingFilesOf) {
    // One that cannot be made again is on record as it was.
    if (!interrupted.aborted) await easel.wait(mediaId, { signal }).catch(() => undefined);
  }
  return 0;
}
