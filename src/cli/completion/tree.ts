import { Argument, type Command, type Option } from 'commander';
import { takesUrl } from '../service/address.ts';

/** What can stand in a place of a command line. */
export type Candidates =
  | { readonly kind: 'choices'; readonly values: readonly string[] }
  | { readonly kind: 'files' }
  | { readonly kind: 'folders' }
  /** Anything, such as a size: there is nothing to offer. */
  | { readonly kind: 'text' };

interface CompletedOption {
  /** With its hyphens. */
  readonly name: string;
  readonly description: string;
  /** Null for an option without a value. */
  readonly value: Candidates | null;
}

/** A command, as a shell completes it. */
export interface CompletedCommand {
  /** `/keys/create`; empty for `easel` itself. */
  readonly place: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly argument: Candidates;
}

/** `program` and every command below it. */
export function completedCommands(program: Command): readonly CompletedCommand[] {
  const shared = program.options.filter(({ long }) => long === '--url');
  return walk(program, '', shared);
}

function walk(command: Command, place: string, shared: readonly Option[]): readonly CompletedCommand[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const own = help.visibleOptions(command);
  const all = takesUrl(place.split('/')[1] ?? '') ? [...own, ...shared] : own;
  const [argument = new Argument('[none]')] = command.registeredArguments;
  return [
    {
      place,
      commands: commands.map((each) => ({ name: each.name(), description: each.description() })),
      options: all.flatMap((option) =>
        option.long == null
          ? []
          : [{ name: option.long, description: option.description, value: candidatesOf(option) }],
      ),
      argument: candidates(argument.argChoices, argument.name()),
    },
    ...commands
      .filter((each) => each.name() !== 'help')
      .flatMap((each) => walk(each, `${place}/${each.name()}`, shared)),
  ];
}

function candidatesOf(option: Option): Candidates | null {
  if (!option.required && !option.optional) return null;
  return candidates(option.argChoices, /<([\w-]+)/.exec(option.flags)?.[1] ?? '');
}

/** By the choices, or else by what the help calls the value. */
function candidates(choices: readonly string[] | undefined, name: string): Candidates {
  if (choices !== undefined) return { kind: 'choices', values: choices };
  if (['file', 'picture', 'place'].includes(name)) return { kind: 'files' };
  return { kind: name === 'dir' ? 'folders' : 'text' };
}

/** All options with a value, of any command, each once. */
export function valueOptions(commands: readonly CompletedCommand[]): readonly string[] {
  const names = commands.flatMap(({ options }) =>
    options.filter(({ value }) => value !== null).map(({ name }) => name),
  );
  return [...new Set(names)];
}

/** The text in single quotes, as bash, zsh and fish read it; fish reads a backslash, too. */
export function quoted(text: string, escapesBackslash = false): string {
  if (escapesBackslash) return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
