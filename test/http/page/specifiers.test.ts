import { expect, it } from 'vitest';
import { readModule } from '../../../src/http/page/specifiers.ts';

const importsOf = (source: string) =>
  readModule(source).imports.map(({ specifier, isDynamic }) => (isDynamic ? `late ${specifier}` : specifier));

it.each<[string, string[]]>([
  ["import './a.ts'", ['./a.ts']],
  ["import a from './a.ts'", ['./a.ts']],
  ["import a, { b as c } from './a.ts'", ['./a.ts']],
  ["import * as a from './a.ts'", ['./a.ts']],
  ["import from from 'from'", ['from']],
  ["import { 'a b' as c, default as d } from './a.ts'", ['./a.ts']],
  ['import{a}from"./a.ts";import{b}from"./b.ts"', ['./a.ts', './b.ts']],
  ["import {\n  // './no.ts'\n  a,\n} /* from './no.ts' */ from './a.ts'", ['./a.ts']],
  ["export { a } from './a.ts'", ['./a.ts']],
  ["export * from './a.ts'; export * as b from './b.ts'", ['./a.ts', './b.ts']],
  ["export { from }; const from = 'x'", []],
  ["export const from = './a.ts'", []],
  ["export default './a.ts'", []],
  ["const a = await import('./a.ts')", ['late ./a.ts']],
  [`\`$\{await import('./a.ts')} import './no.ts'\``, ['late ./a.ts']],
  ['import.meta.url', []],
  ["x.import('./a.ts')", []],
  ["const x = { import: './a.ts' }", []],
  ["// import './no.ts'\n/* import './no.ts' */ f(\"import './no.ts'\", 'import(\"./no.ts\")')", []],
  ["/import '.\\/no.ts'/.test(a)", []],
])('imports of %s', (source, expected) => {
  expect(importsOf(source)).toEqual(expected);
});

it('writes other specifiers, and leaves the same words in texts alone', () => {
  const source = "import { a } from './a.ts';\nexport const b = \"from './a.ts'\" + './a.ts';\n";
  expect(readModule(source).write(() => './a-1.js')).toBe(
    "import { a } from './a-1.js';\nexport const b = \"from './a.ts'\" + './a.ts';\n",
  );
});

it('leaves comments out, and keeps the line ends that end statements', () => {
  const source =
    '/** Says it. */\nlet a = 1 // one\n\n\n  /* two\n */ ++a\nreturn /* three */ a\n//# sourceMappingURL=a.js.map';
  expect(readModule(source).write(String)).toBe('let a = 1\n++a\nreturn a\n');
});

it.each(['import(name)', 'import(`./a.ts`)', 'await import("./" + name)'])(
  'refuses %s, which could be any module',
  (source) => {
    expect(() => readModule(`\n${source}`)).toThrow('the import in line 2 does not name its module as a quoted text');
  },
);
