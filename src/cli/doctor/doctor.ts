import type { Command } from 'commander';
import type { Finding, Findings } from '../../composition/checkup/finding.ts';
import { ConfigError, EX_CONFIG } from '../../config/config.ts';
import { EXIT_FAILED } from '../failure.ts';
import { addressOf } from '../service/address.ts';
import { lineOf } from './line.ts';

interface DoctorFlags {
  readonly json?: boolean;
}

/** Adds `doctor`. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look whether everything is as it has to be, and say what to do')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nIt looks at settings, providers, models, disk, database, sharp, clock and proxy; with --url at the running service. It changes' +
        '\nnothing and costs nothing: providers are asked for their lists of models alone. The exit code is 0 with warnings, too; 1 where' +
        '\nsomething fails, 78 for settings.' +
        '\n\nExample:\n  easel doctor',
    )
    .action(async ({ json = false }: DoctorFlags, command: Command) => {
      const address = addressOf(command, process.env);
      // Loaded here, not with the command line: `--help` needs none of it.
      const findings =
        address === null
          ? (await import('./installation.ts')).examineInstallation(process.env)
          : (await import('./running.ts')).examineService(address);
      process.exitCode = await report(findings, json);
    });
}

/** Prints what is found, and resolves to the exit code. */
async function report(findings: Findings, json: boolean): Promise<number> {
  const all: Finding[] = [];
  let settingsCode = 0;
  try {
    for await (const finding of findings) {
      all.push(finding);
      if (!json) console.log(lineOf(finding, process.stdout.isTTY));
    }
  } catch (error) {
    // What depends on the settings cannot be looked at.
    if (!(error instanceof ConfigError)) throw error;
    settingsCode = EX_CONFIG;
    for (const issue of error.issues) {
      const finding: Finding = { subject: 'settings', verdict: 'fails', detail: issue };
      all.push(finding);
      if (!json) console.log(lineOf(finding, process.stdout.isTTY));
    }
  }
  if (json) console.log(JSON.stringify({ findings: all }, null, 2));
  if (settingsCode !== 0) return settingsCode;
  return all.some(({ verdict }) => verdict === 'fails') ? EXIT_FAILED : 0;
}
