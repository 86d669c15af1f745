import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// The import rules live in biome.json, where a pattern that matches nothing looks like one that works.
// Each rule is shown here to refuse what it is there for, and to let through what it must.

const ROOT = join(import.meta.dirname, '..');
const ADAPTERS = ['providers', 'imaging', 'storage', 'queue', 'webhooks', 'tracing'];

const IMPORTS = 'lint/style/noRestrictedImports';
const BARREL = 'lint/performance/noBarrelFile';
const UNDECLARED = 'lint/correctness/noUndeclaredDependencies';
const FILE_NAME = 'lint/style/useFilenamingConvention';
const FLOATING = 'lint/nursery/noFloatingPromises';
const ENVIRONMENT = 'lint/style/noProcessEnv';
const CONSOLE = 'lint/suspicious/noConsole';
const ANY = 'lint/suspicious/noExplicitAny';
const UNUSED_IMPORT = 'lint/correctness/noUnusedImports';
const UNUSED_VARIABLE = 'lint/correctness/noUnusedVariables';

/** A file by its folder and its code, and the one rule that refuses it: null where the code is welcome. */
type Case = readonly [folder: string, code: string, rule: string | null];

const imported = (from: string) => `import { part } from '${from}';\nexport const own = part;\n`;
const importedType = (from: string) => `import type { Part } from '${from}';\nexport type Own = Part;\n`;
const importedLate = (from: string) => `export const own = await import('${from}');\n`;

const CASES: readonly Case[] = [
  ...ADAPTERS.flatMap((adapter): Case[] => [
    ['src', imported(`./${adapter}/part.ts`), IMPORTS],
    ['src/images', imported(`../${adapter}/part.ts`), IMPORTS],
    ['src/http', imported(`../${adapter}/part.ts`), IMPORTS],
    ['src/http/routes', imported(`../../${adapter}/part.ts`), IMPORTS],
    ['src/web', imported(`../${adapter}/part.ts`), IMPORTS],
    [`src/${adapter}`, imported('../images/submit.ts'), IMPORTS],
    [`src/${adapter}`, imported('../http/problem.ts'), IMPORTS],
    [`src/${adapter}`, imported('../config/config.ts'), IMPORTS],
    [`src/${adapter}`, imported('fastify'), IMPORTS],
    ...ADAPTERS.filter((other) => other !== adapter).map(
      (other): Case => [`src/${adapter}`, imported(`../${other}/part.ts`), IMPORTS],
    ),
    [`src/${adapter}`, imported('./part.ts'), null],
    [`src/${adapter}`, importedType('../images/ports.ts'), null],
    [`src/${adapter}`, imported('../images/image.ts'), null],
    [`src/${adapter}`, imported('../images/errors.ts'), null],
    [`src/${adapter}`, imported('../images/charges.ts'), IMPORTS],
    [`src/${adapter}`, imported('../images/delivery.ts'), IMPORTS],
    [`src/${adapter}`, imported('../outgoing/guard.ts'), null],
    [`src/${adapter}`, imported('../outgoing/address.ts'), IMPORTS],
    ['src/outgoing', imported(`../${adapter}/part.ts`), IMPORTS],
  ]),

  ['src', imported('./adapters/records/sqlite/records.ts'), IMPORTS],
  ['src/images', imported('../adapters/records/sqlite/records.ts'), IMPORTS],
  ['src/http/routes', imported('../../adapters/records/sqlite/records.ts'), IMPORTS],
  ['src/outgoing', imported('../adapters/records/sqlite/records.ts'), IMPORTS],
  ...['ports', 'image', 'errors'].flatMap((allowed): Case[] => [
    ['src/adapters/records', imported(`../../images/${allowed}.ts`), null],
    ['src/adapters/records/sqlite', imported(`../../../images/${allowed}.ts`), null],
  ]),
  ...['charges', 'delivery', 'derive', 'ownership', 'submit'].map(
    (rule): Case => ['src/adapters/records/sqlite', imported(`../../../images/${rule}.ts`), IMPORTS],
  ),
  ['src/adapters/records/sqlite', imported('../cursor.ts'), null],
  ['src/adapters/records/sqlite', imported('./rows.ts'), null],
  ['src/adapters/records/sqlite', imported('../postgres/records.ts'), IMPORTS],
  ['src/adapters/records/sqlite', imported('../../../http/problem.ts'), IMPORTS],
  ['src/adapters/records/sqlite', imported('../../../config.ts'), IMPORTS],
  ['src/adapters/records/sqlite', imported('../../../storage/disk.ts'), IMPORTS],
  ['src/adapters/records/sqlite', imported('fastify'), IMPORTS],

  ['src/images', importedType('../storage/disk.ts'), IMPORTS],
  ['src/images', importedLate('../storage/disk.ts'), IMPORTS],
  ['src/images', imported('./../storage/disk.ts'), IMPORTS],
  ['src/images', imported('../http/problem.ts'), IMPORTS],
  ['src/images', imported('../config/config.ts'), IMPORTS],
  ['src/images', importedType('fastify'), IMPORTS],
  ['src/images', importedType('@fastify/static'), IMPORTS],
  ['src/images', imported('openai'), IMPORTS],
  ['src/images', imported('sharp'), IMPORTS],
  ['src/images', imported('node:sqlite'), IMPORTS],
  ['src/images', importedType('@opentelemetry/api'), IMPORTS],
  ['src/images', imported('./ports.ts'), null],
  ['src/images', imported('p-queue'), null],

  ['src/http', imported('../services.ts'), IMPORTS],
  ['src/http/routes', importedLate('../../storage/disk.ts'), IMPORTS],
  ['src/http/routes', imported('../../images/submit.ts'), null],
  ['src/http/routes', imported('../problem.ts'), null],
  ['src/http/routes', imported('fastify'), null],

  ['src/http', imported('../outgoing/guard.ts'), IMPORTS],
  ['src/images', imported('../outgoing/guard.ts'), IMPORTS],
  ['src/outgoing', imported('../images/ports.ts'), IMPORTS],
  ['src/outgoing', imported('fastify'), IMPORTS],
  ['src/outgoing', imported('undici'), null],

  ['src/providers', imported('openai'), null],
  ['src/providers', imported('../../src/images/submit.ts'), IMPORTS],
  ['src', imported('./images/submit.ts'), null],
  ['src', imported('./providers/catalog.ts'), null],
  ['src', imported('./providers/catalog-file.ts'), null],
  ['src', imported('./http/problem.ts'), null],

  ['src/config', imported('../services.ts'), IMPORTS],
  ['src/config', imported('../http/auth.ts'), IMPORTS],
  ['src/config', imported('../storage/disk.ts'), IMPORTS],
  ['src/config', imported('../images/submit.ts'), IMPORTS],
  ['src/config', imported('../http/keys.ts'), null],
  ['src/config', imported('../images/presets.ts'), null],
  ['src/config', imported('../providers/catalog.ts'), null],
  ['src/config', 'export const home = process.env.HOME;\n', ENVIRONMENT],

  ['src/images', "export { formatSize } from './image.ts';\n", BARREL],
  ['src/images', imported('vitest'), UNDECLARED],
  ['test', imported('vitest'), null],
  ['test', imported('../src/storage/disk.ts'), null],

  ['src/images', 'const work = async () => {};\nexport const start = () => {\n  work();\n};\n', FLOATING],
  ['src/storage', 'export const home = process.env.HOME;\n', ENVIRONMENT],
  ['src/http', "export const say = () => console.log('hello');\n", CONSOLE],
  ['src/http', 'export const anything: any = 1;\n', ANY],
  ['src/http', "import { part } from './part.ts';\n", UNUSED_IMPORT],
  ['src/http', 'const part = 1;\n', UNUSED_VARIABLE],
];

const NAMED: readonly (readonly [path: string, code: string, rule: string | null])[] = [
  ['src/services.ts', imported('./storage/disk.ts'), null],
  ['src/services.ts', imported('./adapters/records/sqlite/records.ts'), null],
  ['src/main.ts', imported('./storage/disk.ts'), IMPORTS],
  ['src/app.ts', imported('./storage/disk.ts'), IMPORTS],
  ['src/cli.ts', 'console.log(process.env.HOME);\n', null],
  ['src/images/index.ts', 'export const own = 1;\n', FILE_NAME],
  ['src/storage/utils.ts', 'export const own = 1;\n', FILE_NAME],
  ['test/support/helpers.ts', 'export const own = 1;\n', FILE_NAME],
  ['src/images/RunImage.ts', 'export const own = 1;\n', FILE_NAME],
];

const files = [
  ...CASES.map(([folder, code, rule], at) => ({ path: `${folder}/case-${at}.ts`, code, rule })),
  ...NAMED.map(([path, code, rule]) => ({ path, code, rule })),
];

describe('biome refuses and allows', () => {
  const tree = mkdtempSync(join(tmpdir(), 'easel-rules-'));
  let refusals: Map<string, string[]>;

  beforeAll(() => {
    for (const name of ['biome.json', 'package.json', '.gitignore']) cpSync(join(ROOT, name), join(tree, name));
    for (const { path, code } of files) {
      mkdirSync(join(tree, dirname(path)), { recursive: true });
      writeFileSync(join(tree, path), code);
    }
    refusals = lint(tree);
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.each(files)('$path: $code', ({ path, rule }) => {
    expect(refusals.get(path) ?? []).toEqual(rule === null ? [] : [rule]);
  });
});

/** Rules that biome says each file breaks, by the file's path inside `tree`. One run for all: starting it is what costs. */
function lint(tree: string): Map<string, string[]> {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const run = spawnSync(biome, ['lint', '--reporter=json', '--max-diagnostics=none'], { cwd: tree, encoding: 'utf8' });
  const report: { diagnostics: { category: string; severity: string; location: { path: string } }[] } = JSON.parse(
    run.stdout,
  );
  const refusals = new Map<string, string[]>();
  for (const { category, severity, location } of report.diagnostics) {
    if (severity === 'error' || severity === 'warning') {
      refusals.set(location.path, [...(refusals.get(location.path) ?? []), category]);
    }
  }
  return refusals;
}
