import { type Candidates, type CompletedCommand, quoted, valueOptions } from './tree.ts';

/** The script for bash, from 3.2 on. It needs no other one, and runs nothing of what stands on the command line. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const places = commands.slice(1).map(({ place }) => place);
  const values = commands.flatMap(({ place, options }) =>
    options.flatMap(({ name, value }) => (value === null ? [] : [{ at: `${place} ${name}`, value }])),
  );
  return `# bash completion of easel: source <(easel completion bash)
_easel() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" place='' before='' word i
  # bash takes --option=value apart.
  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$before" in
      ${valueOptions(commands).join('|')}) before=''; continue ;;
    esac
    before="$word"
    case "$place/$word" in
      ${places.join('|')}) place="$place/$word" ;;
    esac
  done
  COMPREPLY=()
  # File names are offered only where one can stand.
  compopt +o default 2> /dev/null
  case "$place $prev" in
${values.map(({ at, value }) => `    ${quoted(at)}) ${bashOffer(value)}; return ;;`).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case "$place" in
${commands.map(({ place, options }) => `      ${quoted(place)}) ${words(options.map(({ name }) => name))} ;;`).join('\n')}
    esac
    return
  fi
  case "$place" in
${commands
  .map(({ place, commands: below, argument }) => {
    const offer = below.length > 0 ? words(below.map(({ name }) => name)) : bashOffer(argument);
    return `    ${quoted(place)}) ${offer} ;;`;
  })
  .join('\n')}
  esac
}
complete -o default -F _easel easel
`;
}

function bashOffer(value: Candidates): string {
  if (value.kind === 'choices') return words(value.values);
  return value.kind === 'text' ? ':' : 'compopt -o default 2> /dev/null';
}

function words(names: readonly string[]): string {
  return `COMPREPLY=($(compgen -W ${quoted(names.join(' '))} -- "$cur"))`;
}
