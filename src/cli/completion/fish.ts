import { type Candidates, type CompletedCommand, quoted } from './tree.ts';

/** The script for fish. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ place, commands: below, options, argument }) => {
    const when = `-n ${quoted(
      condition(
        place,
        below.map(({ name }) => name),
      ),
      true,
    )}`;
    return [
      ...below.map(({ name, description }) => `${when} -a ${quoted(name, true)} -d ${quoted(description, true)}`),
      ...options.map(({ name, description, value }) =>
        [
          when,
          '-l',
          name.slice(2),
          ...(value === null ? [] : [offer(value, true)]),
          '-d',
          quoted(description, true),
        ].join(' '),
      ),
      ...(below.length > 0 || argument.kind === 'text' ? [] : [`${when} ${offer(argument, false)}`]),
    ];
  });
  return `# fish completion of easel: easel completion fish | source
complete -c easel -f
${lines.map((line) => `complete -c easel ${line}`).join('\n')}
`;
}

/** That the command line is at this place, and has not named a command below it yet. */
function condition(place: string, below: readonly string[]): string {
  const names = place.split('/').slice(1);
  const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
  const unseen = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`];
  return [...seen, ...unseen].join('; and ') || 'true';
}

/** `-r`: the option takes a value; `-F`: which may be a file. */
function offer(value: Candidates, isOption: boolean): string {
  const required = isOption ? '-r ' : '';
  switch (value.kind) {
    case 'choices':
      return `${required}-f -a ${quoted(value.values.join(' '), true)}`;
    case 'files':
      return `${required}-F`;
    case 'folders':
      return `${required}-f -a '(__fish_complete_directories)'`;
    case 'text':
      return `${required}-f`;
  }
}
