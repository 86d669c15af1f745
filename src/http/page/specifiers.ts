import { type Token, tokensOf } from './tokens.ts';

/** An import of a module, static or dynamic, or an `export … from`. */
export interface Import {
  /** What is imported, such as `./gallery/gallery.ts` or `preact`. */
  readonly specifier: string;
  /** True for a dynamic one, whose module is loaded when the expression is reached. */
  readonly isDynamic: boolean;
}

/** A module whose imports are known and can be replaced. */
export interface ReadModule {
  readonly imports: readonly Import[];
  /** The source with other specifiers, and without comments and the space around them. Line ends stay, as they may end statements. */
  write(specifierFor: (specifier: string) => string): string;
}

/** Finds the imports of a module in JavaScript. Raises an error where one does not name its module as a quoted text. */
export function readModule(source: string): ReadModule {
  const tokens = tokensOf(source);
  const found = new Map<Token, Import>();
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'name' || tokens[index - 1]?.text === '.') continue;
    const at =
      token.text === 'import' ? importedBy(tokens, index) : token.text === 'export' ? exportedBy(tokens, index) : null;
    if (at === null) continue;
    const quoted = tokens[at];
    const isDynamic = tokens[index + 1]?.text === '(';
    const isComputed = isDynamic && ![')', ','].includes(tokens[at + 1]?.text ?? '');
    if (quoted?.kind !== 'string' || isComputed) {
      const line = source.slice(0, token.start).split('\n').length;
      throw new Error(`the import in line ${line} does not name its module as a quoted text`);
    }
    found.set(quoted, { specifier: quoted.text.slice(1, -1), isDynamic });
  }
  return { imports: [...found.values()], write: (specifierFor) => written(source, tokens, found, specifierFor) };
}

/** Where an `import` names its module; null for `import.meta`, a method, and a property of this name. */
function importedBy(tokens: readonly Token[], index: number): number | null {
  const next = tokens[index + 1];
  if (next?.kind === 'string') return index + 1;
  if (next?.text === '(') return index + 2;
  if (next?.kind === 'name' || next?.text === '{' || next?.text === '*') return afterFrom(tokens, index + 1);
  return null;
}

/** Where an `export … from` names its module; null for other exports. */
function exportedBy(tokens: readonly Token[], index: number): number | null {
  const next = tokens[index + 1]?.text;
  if (next === '*') return afterFrom(tokens, index + 1);
  if (next !== '{') return null;
  const close = tokens.findIndex(({ text }, at) => at > index && text === '}');
  return tokens[close + 1]?.text === 'from' ? close + 2 : null;
}

function afterFrom(tokens: readonly Token[], start: number): number {
  return tokens.findIndex(({ kind }, at) => at > start && kind === 'string' && tokens[at - 1]?.text === 'from');
}

function written(
  source: string,
  tokens: readonly Token[],
  found: ReadonlyMap<Token, Import>,
  specifierFor: (specifier: string) => string,
): string {
  let text = '';
  let end = 0;
  for (const token of tokens) {
    const gap = source.slice(end, token.start);
    const space = /[\n\r\u2028\u2029]/.test(gap) ? '\n' : gap && ' ';
    const named = found.get(token);
    text += (end === 0 ? '' : space) + (named === undefined ? token.text : `'${specifierFor(named.specifier)}'`);
    end = token.end;
  }
  return `${text}\n`;
}
