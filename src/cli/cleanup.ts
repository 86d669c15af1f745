import type { Command } from 'commander';
import { nonBlankText } from '../api/fields.ts';
import { ageText } from '../core/planning/notation.ts';
import { waitForImage, withServices } from './embedded-service.ts';
import { parseOption } from './option-values.ts';

interface CleanupFlags {
  readonly olderThan?: number;
  readonly label?: string;
  readonly key?: string;
  readonly dryRun?: boolean;
}

/** Adds `cleanup`. */
export function addCleanup(program: Command): void {
  program
    .command('cleanup')
    .description('delete old pictures and left-over files, print a report, and make lost files again')
    .option('--older-than <age>', 'a number and s, m, h or d; default: RETENTION', parseOption('--older-than', ageText))
    .option('--label <label>', 'only pictures with this label', parseOption('--label', nonBlankText))
    .option('--key <name>', 'only pictures that the API key of this name made', parseOption('--key', nonBlankText))
    .option('--dry-run', 'delete nothing: the report only, with the first 100 pictures that would go')
    .addHelpText(
      'after',
      '\nWith SQLite no service may be running. With PostgreSQL the replicas make lost files again, and this does not wait for that.' +
        '\n\nExample:\n  easel cleanup --older-than 30d --dry-run',
    )
    .action(async (flags: CleanupFlags) => {
      process.exitCode = await cleanUp(flags);
    });
}

/** Runs one cleanup, prints its report, and waits until lost files have been made again, where this process makes them. */
async function cleanUp({ olderThan, label, key, dryRun = false }: CleanupFlags) {
  return await withServices(async ({ config, services, payments, interrupted }) => {
    const report = await services.images.cleanup({ olderThanMs: olderThan, label, owner: key, dryRun });
    payments.watch(...report.missingFilesOf);
    console.log(JSON.stringify(report, null, 2));
    if (config.records.kind === 'postgres') return 0;
    for (const mediaId of report.missingFilesOf) {
      if (!interrupted.aborted) await waitForImage(services, mediaId);
    }
    return 0;
  });
}
