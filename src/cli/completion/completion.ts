import { Argument, type Command } from 'commander';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import { completedCommands } from './tree.ts';
import { zshScript } from './zsh.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SCRIPTS;

/** Adds `completion`. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script by which a shell completes commands, options and their values')
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      '\nExamples:\n  easel completion bash >> ~/.bashrc\n  easel completion zsh > ~/.zsh/_easel    (a folder of fpath)\n' +
        '  easel completion fish > ~/.config/fish/completions/easel.fish',
    )
    .action((shell: Shell) => {
      process.stdout.write(SCRIPTS[shell](completedCommands(program)));
    });
}
