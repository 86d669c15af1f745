import type { Command } from 'commander';
import { z } from 'zod';
import type { BackupReport } from '../composition/backup/backup.ts';
import { backupPlaces } from '../composition/backup/places.ts';
import type { RestoreReport } from '../composition/backup/restore.ts';
import { readCommandConfig } from '../config/config.ts';
import { EXIT_FAILED } from './failure.ts';
import { parseOption } from './option-values.ts';

/** An empty argument is most often a variable that is not set, and would be the working folder. */
const parseFolder = parseOption('DIR', z.string().min(1, 'must name a folder; it is empty'));

/** Adds `backup` and `restore`. */
export function addBackup(program: Command): void {
  program
    .command('backup')
    .description(
      'back up the database, the pictures and the secrets beside the database, whether a service runs or not',
    )
    .argument('<dir>', 'a folder outside of MEDIA_DIR; a backup that is there is brought up to date', parseFolder)
    .addHelpText(
      'after',
      '\nSettings and key files are not part of it. The exit code is 1 where a picture is missing or damaged; the others are backed up.' +
        '\n\nExample:\n  easel backup /backup/easel',
    )
    .action(async (folder: string) => {
      // Loaded here, not with the command line: `--help` needs none of the service.
      const { backUp } = await import('../composition/backup/backup.ts');
      const report = await backUp(backupPlaces(readCommandConfig(process.env)), folder);
      console.log(describeBackup(report, folder));
      reportFaults(report.faults, 'backed up');
    });
  program
    .command('restore')
    .description('prove a backup by its hashes, and put it in the place of the database and the pictures')
    .argument('<dir>', 'the folder of the backup', parseFolder)
    .addHelpText(
      'after',
      '\nNo service may be running. The earlier database is set aside, and no file is removed. The exit code is 1 where a file of the' +
        '\nbackup is missing or damaged; the others are restored, unless it is the database or a secret.' +
        '\n\nExample:\n  easel restore /backup/easel',
    )
    .action(async (folder: string) => {
      const config = readCommandConfig(process.env);
      const places = backupPlaces(config);
      const { restoreBackup } = await import('../composition/backup/restore.ts');
      const { createCommandLogger } = await import('../composition/logging.ts');
      const report = await restoreBackup(places, folder, await createCommandLogger(config.secrets.mask));
      console.log(describeRestore(report, places.media.root));
      reportFaults(report.faults, 'restored');
    });
}

function describeBackup({ images, files, bytes, copied }: BackupReport, folder: string): string {
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  return `${images} images with ${files} files (${size}) are in ${folder}; ${copied} files were copied now`;
}

function describeRestore(
  { createdAt, images, restored, kept, setAside, unknown }: RestoreReport,
  root: string,
): string {
  const lines = [
    `restored the backup of ${createdAt} with ${images} images; ${restored} files were put back, ${kept} were there already`,
  ];
  if (setAside.length > 0) lines.push(`what was replaced is now at ${setAside.join(', ')}`);
  if (unknown > 0) {
    lines.push(
      `${unknown} files in ${root} are newer than the backup or unknown to it: cleanups delete them once they are an hour old ` +
        '(originals after 30 days), so copy away what is to be kept before the service starts',
    );
  }
  return lines.join('\n');
}

function reportFaults(faults: readonly string[], done: string): void {
  if (faults.length === 0) return;
  for (const fault of faults) console.error(fault);
  const count = faults.length === 1 ? '1 file is' : `${faults.length} files are`;
  console.error(`${count} missing or damaged; everything else was ${done}`);
  process.exitCode = EXIT_FAILED;
}
