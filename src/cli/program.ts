import { Command } from 'commander';
import { VERSION } from '../composition/version.ts';
import { addBackup } from './backup.ts';
import { addCleanup } from './cleanup.ts';
import { addCompletion } from './completion/completion.ts';
import { addConformance } from './conformance/conformance.ts';
import { addDoctor } from './doctor/doctor.ts';
import { addDocuments } from './documents.ts';
import { addGenerate } from './generate/generate.ts';
import { addKeys } from './keys.ts';
import { addMcp } from './mcp.ts';
import { addMigrate } from './migrate.ts';
import { addCancel, addRetry, addRm } from './pictures/change.ts';
import { addModels, addPresets } from './pictures/choices.ts';
import { addGet } from './pictures/get.ts';
import { addList } from './pictures/list.ts';
import { addUrlOption } from './service/address.ts';

/**
 * Every command of `easel`. Each sets `process.exitCode` when it has not succeeded, or raises an error that `describeFailure` maps;
 * commander raises `CommanderError` for a wrong command line, and for help and version once they are printed.
 */
export function createProgram(): Command {
  const program = new Command('easel')
    .description(`Easel ${VERSION}: makes pictures, and keeps what was paid for.`)
    .version(VERSION, '--version', 'print the version')
    .helpOption('--help', 'print help')
    .helpCommand('help [command]', 'print help')
    .showHelpAfterError('(--help lists the options, and has an example)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nSettings come from environment variables; `easel config` lists them.\n\nExample:\n' +
        '  easel generate "a lighthouse at dusk" --size 1024x1024 --out lighthouse.png',
    );
  addUrlOption(program);
  addServe(program);
  addGenerate(program);
  addList(program);
  addGet(program);
  addCancel(program);
  addRetry(program);
  addRm(program);
  addCleanup(program);
  addModels(program);
  addPresets(program);
  addBackup(program);
  addMigrate(program);
  addKeys(program);
  addDoctor(program);
  addMcp(program);
  addConformance(program);
  addDocuments(program);
  addCompletion(program);
  return program;
}

function addServe(program: Command): void {
  program
    .command('serve')
    .description('start the service')
    .addHelpText('after', '\nExample:\n  PORT=8080 easel serve')
    .action(async () => void (await import('../main.ts')));
}
