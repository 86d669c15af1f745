import { describe, expect, it } from 'vitest';
import { readPage } from '../../../src/http/page/page-document.ts';
import { type PageFiles, pageFolder, SMALL_PAGE } from '../../support/page/page-folder.ts';

const resolve = (name: string) => import.meta.resolve(name);

/** Reads the page in small with other files or more, and gives its files by their names without the hash. */
async function read(files: PageFiles = {}) {
  await using folder = await pageFolder({ ...SMALL_PAGE, ...files });
  const { document, files: made } = readPage({ folder: folder.url, ending: '.ts', resolve });
  const byName = new Map(made.map((file) => [file.name.replace(/-[\da-f]{12}\./, '.'), file]));
  const get = (name: string) => byName.get(name) ?? expect.unreachable(`no ${name}`);
  return { document, names: [...byName.keys()].sort(), get };
}

const failure = async (files: PageFiles) =>
  await read(files).then(
    () => expect.unreachable('the page was read'),
    (error: Error) => error.message,
  );

describe('the page is read', () => {
  it('with all that it refers to, each file under its hash, and references between them', async () => {
    const { document, names, get } = await read();
    expect(names).toEqual(['main.js', 'parts-greet.js', 'preact-dist-preact.js', 'style-base.css']);
    for (const name of ['main.js', 'style-base.css']) expect(document).toContain(`"page/${get(name).name}"`);
    expect(get('main.js').text).toBe(`import { greet } from './${get('parts-greet.js').name}';\ngreet('hello');\n`);
    expect(get('parts-greet.js').text).toContain(`import { h, render } from './${get('preact-dist-preact.js').name}';`);
    expect(document).toContain('href="data:,"');
  });

  it('without types, comments and source maps', async () => {
    const greet = '/** Says it. */\nexport const greet = (text: string): void => void text; // said\n';
    const { get } = await read({
      'parts/greet.ts': greet,
      'style/base.css': '/* one */ a { content: "/* two */"; background: url(data:image/svg+xml,/*three*/) }\n',
      'index.html': SMALL_PAGE['index.html']?.replace('<body>', '<!-- four -->\n<body>') ?? '',
      'main.ts': "import { greet } from './parts/greet.ts';\nimport { h } from 'preact';\ngreet(h.name);\n",
    });
    expect(get('parts-greet.js').text).toBe('export const greet = (text)=>void text;\n');
    expect(get('preact-dist-preact.js').text).not.toContain('sourceMappingURL');
    expect(get('style-base.css').text.trim()).toBe(
      'a { content: "/* two */"; background: url(data:image/svg+xml,/*three*/) }',
    );
  });

  it('with packages that were not published small without their comments', async () => {
    const { get } = await read({
      'main.ts': "import { thumbHashToAverageRGBA } from 'thumbhash';\nthumbHashToAverageRGBA(new Uint8Array());\n",
    });
    const { text } = get('thumbhash-thumbhash.js');
    expect(text).toContain('export function thumbHashToAverageRGBA(');
    expect(text).not.toMatch(/\/\*|@param|\/\/ /);
  });

  it('a document asks for every module that it needs at once, and for none that is loaded late', async () => {
    const main = "import { greet } from './parts/greet.ts';\ngreet('a');\nawait import('./late.ts');\n";
    const { document, get, names } = await read({ 'main.ts': main, 'late.ts': 'export const late = 1;\n' });
    const preloaded = [...document.matchAll(/<link rel="modulepreload" href="page\/([^"]+)">/g)].map(
      ([, name]) => name,
    );
    expect(preloaded).toEqual(['main.js', 'parts-greet.js', 'preact-dist-preact.js'].map((name) => get(name).name));
    expect(names).toContain('late.js');
    expect(get('main.js').text).toContain(`import('./${get('late.js').name}')`);
  });

  it('with a module once, however many import it', async () => {
    const { names } = await read({
      'main.ts': "import './one.ts';\nimport './two.ts';\nimport { h } from 'preact';\nh('a', null);\n",
      'one.ts': "import './parts/greet.ts';\n",
      'two.ts': "import './parts/greet.ts';\nimport './one.ts';\n",
    });
    expect(names).toEqual(['main.js', 'one.js', 'parts-greet.js', 'preact-dist-preact.js', 'style-base.css', 'two.js']);
  });

  it('where it was compiled', async () => {
    const { 'main.ts': main = '', 'parts/greet.ts': _greet, ...rest } = SMALL_PAGE;
    await using folder = await pageFolder({
      ...rest,
      'main.js': main.replace('.ts', '.js'),
      'parts/greet.js': 'export const greet = (text) => text;\n',
    });
    const { files } = readPage({ folder: folder.url, ending: '.js', resolve });
    expect(files.map(({ name }) => name.replace(/-[\da-f]{12}/, ''))).toEqual([
      'parts-greet.js',
      'main.js',
      'style-base.css',
    ]);
  });

  it('without a warning that types are taken out in an experimental way', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on('warning', note);
    const { emitWarning } = process;
    await read();
    await new Promise((done) => setImmediate(done));
    process.off('warning', note);
    expect(warnings).toEqual([]);
    expect(process.emitWarning).toBe(emitWarning);
  });
});

describe('a hash', () => {
  it('is the same as long as the file and all that it imports are, in every process', async () => {
    const [one, other] = [await read(), await read()];
    expect(other.document).toBe(one.document);
  });

  it('changes with what the file imports, at any depth, and no other does', async () => {
    const before = await read();
    const greet = SMALL_PAGE['parts/greet.ts']?.replace('h1', 'h2') ?? '';
    const after = await read({ 'parts/greet.ts': greet });
    for (const name of ['main.js', 'parts-greet.js']) expect(after.get(name).name).not.toBe(before.get(name).name);
    for (const name of ['preact-dist-preact.js', 'style-base.css']) expect(after.get(name)).toEqual(before.get(name));
    const comment = await read({ 'parts/greet.ts': `// Greets.\n${SMALL_PAGE['parts/greet.ts']}` });
    expect(comment.document).toBe(before.document);
  });
});

describe('the page is refused', () => {
  const html = SMALL_PAGE['index.html'] ?? '';

  it.each<[string, PageFiles, string | RegExp]>([
    [
      'with modules in a circle',
      { 'parts/greet.ts': "import '../other.ts';\n", 'other.ts': "import './parts/greet.ts';\n" },
      "the page's modules import each other in a circle: parts/greet.ts, other.ts, parts/greet.ts",
    ],
    ['with a missing module', { 'main.ts': "import './none.ts';\n" }, /^none\.ts, which main\.ts imports, .*ENOENT/],
    [
      'with a missing script',
      { 'index.html': html.replace('main.ts', 'none.ts') },
      /^none\.ts, which index\.html imports/,
    ],
    ['with a missing style sheet', { 'index.html': html.replace('base.css', 'none.css') }, /ENOENT.*style\/none\.css/],
    ['with wrong syntax', { 'main.ts': 'let a = ;\n' }, /^main\.ts, which index\.html imports, cannot be served: /],
    [
      'with a value from another room',
      { 'main.ts': "import { problem } from '../api/problem.ts';\nproblem;\n" },
      "main.ts imports '../api/problem.ts', which is not of the page; only `import type` may name it",
    ],
    ['with a module of Node', { 'main.ts': "import 'node:fs';\n" }, /^main\.ts imports 'node:fs', which is no file/],
    [
      'with an absolute path',
      { 'main.ts': "import '/etc/a.js';\n" },
      /^main\.ts imports '\/etc\/a\.js', which is no file/,
    ],
    [
      'with a script from elsewhere',
      { 'index.html': html.replace('main.ts', 'https://a.example/main.ts') },
      'index.html refers to https://a.example/main.ts, which is not of the page',
    ],
    [
      'with a style sheet that imports another',
      { 'style/base.css': "@import 'other.css';\n" },
      "style/base.css has @import 'other.css': link style sheets in index.html, and write pictures as data: URLs",
    ],
    [
      'with a picture in a file',
      { 'style/base.css': 'a { background: url("a.png") }' },
      /^style\/base\.css has url\("a\.png"\)/,
    ],
  ])('%s', async (_name, files, expected) => {
    expect(await failure(files)).toMatch(expected);
  });

  it('but not for types of another room', async () => {
    const { names } = await read({
      'main.ts': "import type { problem } from '../api/problem.ts';\nexport type A = typeof problem;\n",
    });
    expect(names).toEqual(['main.js', 'style-base.css']);
  });
});
