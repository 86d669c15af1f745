/**
 * A part of a JavaScript source, between white space and comments. Operators come sign by sign, but for `++` and `--`; a template comes in
 * pieces, which end at each `${` and begin again at its `}`.
 */
export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'template' | 'regex' | 'sign';
  readonly start: number;
  /** Position after the last character. */
  readonly end: number;
  readonly text: string;
}

const GAP = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*.*?\*\/)+/sy;
const NAME = /[\p{ID_Start}$_#\\](?:[\p{ID_Continue}$\\]|\u200c|\u200d)*/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/sy;
const TEMPLATE = /[`}](?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)/sy;
const REGEX = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const SIGN = /\+\+|--|./sy;

/** After these names a `/` begins a regular expression; after any other it divides. */
const BEFORE_EXPRESSION = new Set(
  'await case default delete do else extends in instanceof new of return throw typeof void yield'.split(' '),
);
/** The names before a parenthesis whose end a statement follows, and not an operator. */
const BEFORE_STATEMENT = new Set(['for', 'if', 'while', 'with']);

/**
 * The tokens of a module in JavaScript that a parser has accepted. Whether a `/` divides or begins a regular expression is told from the
 * token before it; after a `}` it begins one, since objects and functions are not divided.
 */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  const parentheses: boolean[] = [];
  const braces: string[] = [];
  /** True where the token before ends a value, so that an operator follows. */
  let afterValue = false;
  let at = 0;

  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? null;
  };
  const add = (kind: Token['kind'], text: string, endsValue: boolean): void => {
    tokens.push({ kind, text, start: at, end: at + text.length });
    at += text.length;
    afterValue = endsValue;
  };
  /** True for a name that stands for a property, such as `then` in `x.then`. */
  const isProperty = (index: number) => tokens[index - 1]?.text === '.' && tokens[index - 2]?.text !== '.';

  for (;;) {
    at += match(GAP)?.length ?? 0;
    const next = source[at];
    if (next === undefined) return tokens;

    const string = match(STRING);
    const isTemplate = next === '`' || (next === '}' && braces.at(-1) === '${');
    const template = isTemplate ? match(TEMPLATE) : null;
    const regex = next === '/' && !afterValue ? match(REGEX) : null;
    const name = match(NAME);
    const number = match(NUMBER);
    if (string !== null) add('string', string, true);
    else if (template !== null) {
      if (next === '}') braces.pop();
      const isWhole = template.endsWith('`');
      if (!isWhole) braces.push('${');
      add('template', template, isWhole);
    } else if (regex !== null) add('regex', regex, true);
    else if (name !== null) add('name', name, isProperty(tokens.length) || !BEFORE_EXPRESSION.has(name));
    else if (number !== null) add('number', number, true);
    else addSign(match(SIGN) ?? next);
  }

  function addSign(sign: string): void {
    const before = tokens.at(-1);
    if (sign === '(') parentheses.push(BEFORE_STATEMENT.has(before?.text ?? '') && !isProperty(tokens.length - 1));
    if (sign === '{') braces.push('{');
    if (sign === '}') braces.pop();
    const endsValue = sign === ')' ? parentheses.pop() !== true : [']', '++', '--'].includes(sign);
    add('sign', sign, endsValue);
  }
}
