/**
 * `npm pack` and `npm publish` run this before (`prepack`) and after (`postpack`) they read the folder: `dist/` is `src/` as plain
 * JavaScript, since Node strips no types below node_modules, with declarations of what the package exports. It does not outlive the
 * packing, because `bin/easel.js` loads it where it is there. `--clean` removes it.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SOURCE = join(ROOT, 'src');
const DIST = join(ROOT, 'dist');
const SHAPES = 'client/shapes.ts';
/** What the declarations of `easel/client` consist of. */
const DECLARATIONS = /^(?:client\/.+|api\/problem-kinds)\.d\.ts$/;

rmSync(DIST, { recursive: true, force: true });
if (!process.argv.includes('--clean')) build();

function build(): void {
  compile('tsconfig.build.json');
  for (const name of filesBelow(DIST)) {
    if (name.endsWith('.d.ts') && !DECLARATIONS.test(name)) rmSync(join(DIST, name));
  }
  const shapes = join(DIST, SHAPES.replace('.ts', '.d.ts'));
  writeFileSync(shapes, writeOutShapes());
  for (const name of filesBelow(DIST).filter((name) => name.endsWith('.d.ts'))) {
    const text = readFileSync(join(DIST, name), 'utf8');
    writeFileSync(join(DIST, name), text.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"));
  }
  // The page's document and styles are read as they are.
  for (const name of filesBelow(join(SOURCE, 'web')).filter((name) => ['.html', '.css'].includes(extname(name)))) {
    cpSync(join(SOURCE, 'web', name), join(DIST, 'web', name));
  }
}

/**
 * The types that come from zod schemas, written out, so that who uses the client needs neither zod nor the core: what TypeScript infers for
 * a value of each, as a declaration.
 */
function writeOutShapes(): string {
  const source = readFileSync(join(SOURCE, SHAPES), 'utf8');
  const types = [...source.matchAll(/^(\/\*\*[^\n]*\*\/\n)?export type (\w+)/gm)].map(
    ([, comment = '', name = '']) => ({ comment, name }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'easel-package-'));
  try {
    writeFileSync(
      join(folder, 'shapes.mts'),
      `import type * as shapes from ${JSON.stringify(join(SOURCE, SHAPES))};
type Plain<T> = T extends infer Whole ? { [Key in keyof Whole]: Plain<Whole[Key]> } : never;
declare function plain<T>(): Plain<T>;
${types.map(({ name }) => `export const ${name} = plain<shapes.${name}>();`).join('\n')}
`,
    );
    const compilerOptions = { noErrorTruncation: true, emitDeclarationOnly: true, rootDir: '/', outDir: './out' };
    const extended = { extends: join(ROOT, 'tsconfig.build.json'), compilerOptions };
    const typeRoots = [join(ROOT, 'node_modules/@types')];
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        ...extended,
        compilerOptions: { ...compilerOptions, typeRoots },
        include: [],
        files: ['shapes.mts'],
      }),
    );
    compile(join(folder, 'tsconfig.json'));
    const [written] = filesBelow(join(folder, 'out')).filter((name) => name.endsWith('shapes.d.mts'));
    let text = readFileSync(join(folder, 'out', written ?? ''), 'utf8').replaceAll('    ', '  ');
    for (const { comment, name } of types) {
      text = text.replace(`export declare const ${name}: `, `${comment}export type ${name} = `);
    }
    const left = /export declare|\bPlain\b|import\(|\bany\b|^import .*/m.exec(text);
    if (left !== null) throw new Error(`a type of ${SHAPES} cannot be written out: there is \`${left[0]}\` in it`);
    return text;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compile(project: string): void {
  const tsc = fileURLToPath(new URL('../bin/tsc', import.meta.resolve('typescript')));
  const { status, error } = spawnSync(process.execPath, [tsc, '--project', project], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`tsc --project ${project} ended with ${status}`);
}

/** The files of a folder and of the folders in it, by their paths with forward slashes. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    );
}
