import type { Command } from 'commander';
import type { MigrationReport } from '../composition/migrate/migrate.ts';
import { EXIT_FAILED } from './failure.ts';

interface MigrateOptions {
  readonly from: string;
  readonly mediaFrom: string;
  readonly to: string;
  readonly mediaTo: string;
}

/** Adds `migrate`. */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description(
      'move the records of an SQLite database and its pictures to PostgreSQL and another place, for many replicas',
    )
    .requiredOption('--from <url>', 'sqlite:PATH, the database of a single Easel, which must be stopped')
    .requiredOption('--media-from <place>', 'its MEDIA_DIR')
    .requiredOption('--to <url>', 'postgres://USER@HOST/DATABASE; PGPASSWORD can hold the password')
    .requiredOption('--media-to <place>', 's3://BUCKET/PREFIX, or the folder that all replicas are to share')
    .addHelpText(
      'after',
      '\nIt can be interrupted and run again: what is there already is compared, and what is missing is copied. The source stays as it is.' +
        '\nThe exit code is 1 where a record or a file is missing or damaged; everything else is moved.' +
        '\n\nExample:\n  easel migrate --from sqlite:.data/easel.db --media-from media \\\n' +
        '    --to postgres://easel@db.example.com/easel --media-to s3://pictures/easel',
    )
    .action(async (options: MigrateOptions) => {
      // Loaded here, not with the command line: `--help` needs none of the service.
      const { migrateInstallation } = await import('../composition/migrate/installation.ts');
      const report = await migrateInstallation(options, process.env, showProgress);
      if (process.stderr.isTTY) process.stderr.write('\n');
      for (const line of describeMigration(report)) console.log(line);
      if (report.faults.length === 0) return;
      for (const fault of report.faults) console.error(fault);
      const count = report.faults.length === 1 ? '1 record or file is' : `${report.faults.length} records or files are`;
      console.error(`${count} missing or damaged; everything else was moved`);
      process.exitCode = EXIT_FAILED;
    });
}

function showProgress(done: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} images`);
}

function describeMigration(report: MigrationReport): readonly string[] {
  const { images, added, deliveries, files, bytes, copied, movedBefore, changedSince } = report;
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  const now = `${added} records and ${copied} files were copied now`;
  const moved = `${images} images with ${files} files (${size}) are in the target, each file read back; ${now}`;
  if (movedBefore === null)
    return [moved, `the deliveries of webhooks (${deliveries}), the ledger and everything else are there too`];
  return [
    moved,
    `everything was moved at ${movedBefore} already, and ${changedSince} images have changed there since; no record was written`,
  ];
}
