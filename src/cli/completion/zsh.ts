import { type Candidates, type CompletedCommand, quoted, valueOptions } from './tree.ts';

/** The script for zsh, to be read after `compinit`, or to be put into a folder of `fpath` as `_easel`. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const places = commands.slice(1).map(({ place }) => place);
  const values = commands.flatMap(({ place, options }) =>
    options.flatMap(({ name, value }) => (value === null ? [] : [{ at: `${place} ${name}`, value }])),
  );
  return `#compdef easel
# zsh completion of easel: source <(easel completion zsh)
_easel() {
  local cur="$words[CURRENT]" prev="$words[CURRENT-1]" place='' before='' word
  local -a found
  integer i
  for (( i = 2; i < CURRENT; i++ )); do
    word="$words[i]"
    case "$before" in
      (${valueOptions(commands).join('|')}) before=''; continue ;;
    esac
    before="$word"
    case "$place/$word" in
      (${places.join('|')}) place="$place/$word" ;;
    esac
  done
  if [[ "$cur" == --*=* ]]; then prev="\${cur%%=*}"; compset -P '*='; fi
  case "$place $prev" in
${values.map(({ at, value }) => `    (${quoted(at)}) ${zshOffer(value)}; return ;;`).join('\n')}
  esac
  if [[ "$cur" == -* ]]; then
    case "$place" in
${commands.map(({ place, options }) => `      (${quoted(place)}) found=(${list(options)}) ;;`).join('\n')}
    esac
    _describe -o option found
    return
  fi
  case "$place" in
${commands
  .map(({ place, commands: below, argument }) =>
    below.length > 0
      ? `    (${quoted(place)}) found=(${list(below)}); _describe command found ;;`
      : `    (${quoted(place)}) ${zshOffer(argument)} ;;`,
  )
  .join('\n')}
  esac
}
if [[ "$funcstack[1]" == _easel ]]; then _easel "$@"; else compdef _easel easel; fi
`;
}

function zshOffer(value: Candidates): string {
  switch (value.kind) {
    case 'choices':
      return `compadd -- ${value.values.join(' ')}`;
    case 'files':
      return '_files';
    case 'folders':
      return '_files -/';
    case 'text':
      return ':';
  }
}

/** Names with their descriptions, as `_describe` takes them. */
function list(items: readonly { readonly name: string; readonly description: string }[]): string {
  return items.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ');
}
