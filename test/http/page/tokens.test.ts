import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readModule } from '../../../src/http/page/specifiers.ts';
import { tokensOf } from '../../../src/http/page/tokens.ts';

const textsOf = (source: string) => tokensOf(source).map(({ text }) => text);
const regexesIn = (source: string) => tokensOf(source).flatMap(({ kind, text }) => (kind === 'regex' ? [text] : []));

it.each<[string, string[]]>([
  ['a = b / c / d', []],
  ['a = /b/ / c', ['/b/']],
  ['f(a) / b / c', []],
  ['a[0] / b / c', []],
  ['i++ / 2 / j', []],
  ['if (a) /b/.test(c)', ['/b/']],
  ['x.if(a) / b / c', []],
  ['return /b/g', ['/b/g']],
  ['x.return / b / c', []],
  ['[...of, /a/]', ['/a/']],
  ['a.replace(/[/"`]/g, "")', ['/[/"`]/g']],
  [String.raw`a = /\/*\\/`, [String.raw`/\/*\\/`]],
  ['a => /b/', ['/b/']],
  ['() => {}\n/b/.test(c)', ['/b/']],
  [`\`a $\{b / c} /d/ $\{/e/} f\``, ['/e/']],
  ['4 / 2 / 1', []],
])('regular expressions of %s', (source, expected) => {
  expect(regexesIn(source)).toEqual(expected);
});

it('tells templates in templates, objects in templates, and comments from what looks like them', () => {
  expect(textsOf(`\`a$\{\`b$\{{ c: "}" }.c}\`}d\` // \``)).toEqual([
    '`a${',
    '`b${',
    '{',
    'c',
    ':',
    '"}"',
    '}',
    '.',
    'c',
    '}`',
    '}d`',
  ]);
  expect(textsOf('a /* "\n */ + "/* b */" // c\n+ `// d`')).toEqual(['a', '+', '"/* b */"', '+', '`// d`']);
  expect(textsOf(String.raw`"a\"b" + 'it\'s' + ${'`\\`\\${`'}`)).toEqual([
    String.raw`"a\"b"`,
    '+',
    String.raw`'it\'s'`,
    '+',
    '`\\`\\${`',
  ]);
});

// A parser reads what was written: text that was cut in the wrong place would not be a program, or one with other tokens.
it.each(['preact', 'preact/hooks', 'htm', 'htm/preact', 'zod', 'undici', 'lru-cache', 'p-queue', 'ipaddr.js'])(
  'written again, %s is the same program',
  (name) => {
    const source = readFileSync(fileURLToPath(import.meta.resolve(name)), 'utf8');
    const written = readModule(source).write((specifier) => specifier);
    expect(() => stripTypeScriptTypes(written)).not.toThrow();
    expect(tokensOf(written).map(({ text }) => text.replaceAll(/^["']|["']$/g, ''))).toEqual(
      textsOf(source).map((text) => text.replaceAll(/^["']|["']$/g, '')),
    );
  },
);
