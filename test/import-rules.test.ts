import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// The import rules live in biome.json, where a pattern that matches nothing looks like one that works. So every room tries to
// import from every other one, and each other rule of the house is broken once.

const ROOT = join(import.meta.dirname, '..');

const IMPORTS = 'lint/style/noRestrictedImports';
const CYCLE = 'lint/suspicious/noImportCycles';
const BARREL = 'lint/performance/noBarrelFile';
const UNDECLARED = 'lint/correctness/noUndeclaredDependencies';
const FILE_NAME = 'lint/style/useFilenamingConvention';
const FLOATING = 'lint/nursery/noFloatingPromises';
const ENVIRONMENT = 'lint/style/noProcessEnv';
const CONSOLE = 'lint/suspicious/noConsole';
const ANY = 'lint/suspicious/noExplicitAny';
const UNUSED_IMPORT = 'lint/correctness/noUnusedImports';
const UNUSED_VARIABLE = 'lint/correctness/noUnusedVariables';

const DOMAIN = ['domain', 'domain/life-cycle', 'domain/text'];
const CORE = [
  ...DOMAIN,
  'ports',
  'planning',
  'models',
  'money',
  'operations',
  'upstream',
  'pipeline',
  'retention',
  'storage',
  'inputs',
  'webhooks',
  'images',
];
const ADAPTERS = [
  'providers',
  'fetching',
  'imaging',
  'provenance',
  'storage',
  'records',
  'queue',
  'events',
  'instances',
  'limits',
  'locks',
  'postgres',
  'telemetry',
  'threads',
  'time',
  'webhooks',
];
/** What adapters of any port may share. */
const SHARED = ['adapters/threads', 'adapters/time', 'adapters/postgres'];
const PROVIDERS = ['adapters/providers', 'adapters/providers/openai', 'adapters/providers/threads'];
const ENTRANCES = ['http', 'http/routes', 'http/routes/images', 'mcp', 'cli', 'client'];

const core = (...rooms: readonly string[]) => rooms.map((room) => `core/${room}`);
const every = (names: readonly string[], prefix: string, allowed: readonly string[]) =>
  names.map((name): [string, readonly string[]] => [`${prefix}${name}`, allowed]);

const COMPOSITION = [
  'composition',
  'composition/backup',
  'composition/checkup',
  'composition/migrate',
  'composition/start',
  'composition/stores',
  'composition/threads',
];
const MAY_COMPOSE: readonly string[] = [
  ...core(...CORE, 'upstream/outage', 'images/calls', 'images/feed'),
  ...ADAPTERS.map((name) => `adapters/${name}`),
  'adapters/providers/openai',
  'adapters/providers/threads',
  'security',
  'api',
  'api/openai',
  'config',
  'config/files',
  'config/messages',
  ...ENTRANCES.filter((room) => room !== 'cli'),
];
const MAY_COMMAND: readonly string[] = [
  ...COMPOSITION,
  ...['config', 'client', 'api', 'security'],
  ...core(...DOMAIN, 'planning'),
];

/** The rooms of the command line. */
const CLI = every(['completion', 'conformance', 'doctor', 'generate', 'pictures', 'service'], 'cli/', []).map(
  ([room]) => room,
);

/** What each room below `src/` may import besides itself. Every room that is not named is refused. */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ['core/domain', core('domain/life-cycle', 'domain/text')],
  ['core/domain/life-cycle', core('domain')],
  ['core/domain/text', core('domain')],
  ['core/ports', core(...DOMAIN)],
  ...every(
    ['planning', 'models', 'money', 'operations', 'retention', 'storage', 'inputs', 'webhooks'],
    'core/',
    core(...DOMAIN, 'ports'),
  ),
  ['core/upstream', core(...DOMAIN, 'ports', 'planning', 'models', 'upstream/outage')],
  ['core/upstream/outage', core(...DOMAIN, 'ports', 'upstream')],
  ['core/pipeline', core(...DOMAIN, 'ports', 'planning', 'models', 'upstream', 'money')],
  ['core/images', core(...CORE.filter((room) => room !== 'pipeline'))],
  ['core/images/calls', core(...CORE.filter((room) => room !== 'pipeline'))],
  ['core/images/feed', core(...CORE.filter((room) => room !== 'pipeline'))],
  ...every(ADAPTERS, 'adapters/', [...core(...DOMAIN, 'ports'), ...SHARED]),
  // One folder a port: adapters of the same port may share files.
  ...PROVIDERS.map((room): [string, readonly string[]] => [
    room,
    [...core(...DOMAIN, 'ports'), ...SHARED, ...PROVIDERS.filter((other) => other !== room)],
  ]),
  ['adapters/imaging', [...core(...DOMAIN, 'ports'), ...SHARED, 'adapters/provenance']],
  ['security', core(...DOMAIN, 'ports')],
  ['api', core(...CORE)],
  ['api/openai', [...core(...CORE), 'api']],
  ['http', [...core('images', ...DOMAIN, 'ports'), 'api', 'security', 'http/routes', 'http/routes/images']],
  [
    'http/routes',
    [...core('images', ...DOMAIN, 'ports'), 'api', 'api/openai', 'security', 'http', 'http/routes/images'],
  ],
  ['http/routes/images', [...core('images', ...DOMAIN, 'ports'), 'api', 'security', 'http', 'http/routes']],
  ['client', ['api']],
  ['mcp', ['client', 'api']],
  // Of other rooms the page takes types: what makes the files for browsers refuses values (test/http/page).
  ['web', ['web/gallery', 'api', ...core(...DOMAIN)]],
  ['web/gallery', ['web', 'api', ...core(...DOMAIN)]],
  ['config', [...core(...DOMAIN, 'planning', 'models'), 'security', 'config/files', 'config/messages']],
  ['config/files', [...core(...DOMAIN, 'planning', 'models'), 'security', 'config/messages']],
  ['config/messages', ['config']],
  ...COMPOSITION.map((room): [string, readonly string[]] => [
    room,
    [...MAY_COMPOSE, ...COMPOSITION.filter((other) => other !== room)],
  ]),
  ['cli', [...MAY_COMMAND, ...CLI, 'config/messages']],
  ...CLI.map((room): [string, readonly string[]] => [
    room,
    [...MAY_COMMAND, 'cli', ...CLI.filter((other) => other !== room)],
  ]),
]);
const ROOMS = [...MAY_IMPORT.keys()];

/** Parts that belong to one room only. */
const HTTP_SERVER = ['fastify', 'fastify/types/reply', 'fastify-type-provider-zod', '@fastify/static'];
const SDKS = [
  'openai',
  'openai/resources/images',
  'sharp',
  'undici',
  'node:sqlite',
  '@opentelemetry/api',
  '@modelcontextprotocol/server',
];

/** A file by its path and its code, and the rule or rules that refuse it: null where the code is accepted. */
interface Case {
  readonly path: string;
  readonly code: string;
  readonly rule: Rule;
}
type Rule = string | readonly string[] | null;

const imported = (from: string) => `import { part } from '${from}';\nexport const own = part;\n`;
const importedType = (from: string) => `import type { Part } from '${from}';\nexport type Own = Part;\n`;
const importedLate = (from: string) => `export const own = await import('${from}');\n`;
const WAYS = [imported, importedType, importedLate];

let count = 0;
/** A file of its own in a folder below `src/`. */
function inRoom(room: string, code: string, rule: Rule): Case {
  count += 1;
  return { path: `src/${room}/case-${count}.ts`, code, rule };
}

function specifier(from: string, to: string): string {
  const path = relative(`src/${from}`, `src/${to}/part.ts`);
  return path.startsWith('.') ? path : `./${path}`;
}

const CASES: readonly Case[] = [
  // Every room and every other one, by each way there is to import in turn.
  ...ROOMS.flatMap((from) =>
    ROOMS.filter((to) => to !== from).map((to, index) => {
      const rule = MAY_IMPORT.get(from)?.includes(to) ? null : IMPORTS;
      return inRoom(from, WAYS[index % WAYS.length]?.(specifier(from, to)) ?? '', rule);
    }),
  ),
  ...ROOMS.flatMap((room) => WAYS.map((way) => inRoom(room, way('./part.ts'), null))),
  // Ways around: out of the folder behind a `./`, up to `src/` and down again, and through a folder and out of it.
  ...ROOMS.flatMap((room) => {
    const up = '../'.repeat(room.split('/').length);
    return [
      `./${up}cli/part.ts`,
      `${up}../src/cli/part.ts`,
      `${up}core/../cli/part.ts`,
      `./deeper/../${up}cli/part.ts`,
      `./1/../${up}cli/part.ts`,
    ]
      .filter((path) => room !== 'cli' || !path.startsWith('./'))
      .map((path, index) => inRoom(room, WAYS[index % WAYS.length]?.(path) ?? '', IMPORTS));
  }),
  inRoom('http/routes', imported('../routes/../../config/part.ts'), IMPORTS),
  // A room without a rule of its own, and a folder inside a room, may import nothing from outside.
  ...['jobs', 'core/batches', 'adapters', 'http/routes/openai', 'config/parts', 'api/parts'].flatMap((room) => [
    inRoom(room, imported(specifier(room, 'adapters/storage')), IMPORTS),
    inRoom(room, importedType(specifier(room, 'core/domain')), IMPORTS),
    inRoom(room, imported('sharp'), IMPORTS),
    inRoom(room, imported('./part.ts'), null),
  ]),
  inRoom('http/routes', imported('./../../config/part.ts'), IMPORTS),
  // A new adapter, at either depth, is under the rule without an edit.
  inRoom('adapters/lately', imported('../storage/part.ts'), IMPORTS),
  inRoom('adapters/lately', imported('../../core/planning/part.ts'), IMPORTS),
  inRoom('adapters/lately', importedType('../../core/ports/part.ts'), null),
  inRoom('adapters/records/postgres', imported('../../storage/part.ts'), IMPORTS),
  inRoom('adapters/records/postgres', imported('../../../core/planning/part.ts'), IMPORTS),
  inRoom('adapters/records/postgres', imported('../cursor.ts'), null),
  inRoom('adapters/records/postgres', imported('../../../core/domain/part.ts'), null),
  // Adapters are two folders deep at most: a deeper file can import nothing outside its own folder.
  inRoom('adapters/records/sqlite/rows', imported('../database.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/rows', importedType('../../cursor.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/rows', importedLate('../../../../core/domain/part.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/rows', imported('./../../../../cli/part.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/rows/parts', imported('../../../../../config/part.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/rows', imported('fastify'), IMPORTS),
  inRoom('adapters/records/sqlite/rows', imported('./part.ts'), null),
  // The thread that writes to the database loads its own folder, and what SQLite needs.
  inRoom('adapters/records/sqlite', imported('./writer/part.ts'), null),
  inRoom('adapters/records/sqlite/writer', imported('./part.ts'), null),
  inRoom('adapters/records/sqlite/writer', imported('node:sqlite'), null),
  inRoom('adapters/records/sqlite/writer', imported('../../../threads/part.ts'), null),
  inRoom('adapters/records/sqlite/writer', imported('../rows.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/writer', importedType('../../../../core/domain/part.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/writer', importedLate('../../../../core/ports/part.ts'), IMPORTS),
  inRoom('adapters/records/sqlite/writer', imported('sharp'), IMPORTS),
  inRoom('adapters/providers/openai', imported('./answers/part.ts'), null),
  inRoom('adapters/providers/openai/answers', imported('./part.ts'), null),
  inRoom('adapters/providers/openai/answers', imported('../../picture-bytes.ts'), null),
  inRoom('adapters/providers/openai/answers', importedType('../../../../core/domain/text/part.ts'), null),
  ...['../../../queue/part.ts', '../../../../config/part.ts', '../../../../core/money/part.ts', 'fastify'].map((name) =>
    inRoom('adapters/providers/openai/answers', imported(name), IMPORTS),
  ),
  inRoom('adapters/records/sqlite', imported('./schema/part.ts'), null),
  inRoom('adapters/records/sqlite/schema', imported('./part.ts'), null),
  inRoom('adapters/records/sqlite/schema', imported('node:sqlite'), null),
  ...['../rows.ts', '../../../threads/part.ts', '../../../../core/domain/part.ts', 'sharp', 'fastify'].map((name) =>
    inRoom('adapters/records/sqlite/schema', imported(name), IMPORTS),
  ),
  // Of security an adapter gets the way out, and nothing else.
  inRoom('adapters/webhooks', imported('../../security/ssrf-guard.ts'), null),
  inRoom('adapters/webhooks', imported('../../security/address.ts'), IMPORTS),
  inRoom('adapters/providers/openai', imported('../../../security/ssrf-guard.ts'), null),
  inRoom('adapters/providers/openai', imported('../../../security/key-ring.ts'), IMPORTS),
  // Packages.
  ...[...core(...CORE, 'upstream/outage'), 'api', 'client', 'web', 'web/gallery'].flatMap((room) => [
    ...[...HTTP_SERVER, ...SDKS].map((name, index) => inRoom(room, WAYS[index % WAYS.length]?.(name) ?? '', IMPORTS)),
  ]),
  ...['thumbhash', 'lru-cache', 'node:fs'].map((name) => inRoom('api', imported(name), IMPORTS)),
  // Types alone, which the test of the package sees to.
  inRoom('client', importedType('zod'), null),
  ...['preact', 'eventsource-parser', 'node:crypto'].map((name) => inRoom('client', imported(name), IMPORTS)),
  inRoom('api', imported('zod'), null),
  ...['web', 'web/gallery'].flatMap((room) => [
    ...['preact', 'preact/hooks', 'htm/preact', 'eventsource-parser', 'thumbhash'].map((name) =>
      inRoom(room, imported(name), null),
    ),
    ...['lru-cache', 'node:fs', 'preact/compat'].map((name) => inRoom(room, imported(name), IMPORTS)),
    inRoom(room, importedType('zod'), null),
  ]),
  inRoom('web/gallery', importedType('../../client/shapes.ts'), null),
  inRoom('web/gallery', importedType('../../client/client.ts'), IMPORTS),
  inRoom('web/gallery', imported('../picture/part.ts'), null),
  inRoom('web/gallery', imported('../../part.ts'), IMPORTS),
  inRoom('web/gallery/rows', imported('../../state/part.ts'), IMPORTS),
  ...['adapters/queue', 'adapters/imaging', 'adapters/providers/openai', 'security', 'config'].flatMap((room) =>
    HTTP_SERVER.map((name) => inRoom(room, imported(name), IMPORTS)),
  ),
  inRoom('core/images', imported('p-queue'), null),
  inRoom('adapters/providers/openai', imported('openai'), null),
  inRoom('security', imported('undici'), null),
  inRoom('http/routes', imported('fastify'), null),
  inRoom('mcp', imported('@modelcontextprotocol/server'), null),

  // The process entry starts the parts; the command line serves through it.
  ...ROOMS.map((room, index) => ({
    path: `src/entry-${index}.ts`,
    code: imported(`./${room}/part.ts`),
    rule: ['composition', 'composition/start', 'config', 'core/domain'].includes(room) ? null : IMPORTS,
  })),
  { path: 'src/entry.ts', code: imported('./http/app.ts'), rule: null },
  inRoom('cli', importedLate('../main.ts'), null),
  inRoom('composition', importedLate('../main.ts'), IMPORTS),

  // A circle counts although types alone run in it.
  {
    path: 'src/core/domain/circle-a.ts',
    code: "import type { B } from './circle-b.ts';\nexport type A = B;\n",
    rule: CYCLE,
  },
  {
    path: 'src/core/domain/circle-b.ts',
    code: "import type { A } from './circle-a.ts';\nexport type B = A;\n",
    rule: CYCLE,
  },

  inRoom('core/images', "export { formatSize } from './image.ts';\n", BARREL),
  inRoom('core/images', imported('vitest'), UNDECLARED),
  { path: 'test/case-1.ts', code: imported('vitest'), rule: null },
  { path: 'test/case-2.ts', code: imported('../src/adapters/storage/disk.ts'), rule: null },

  inRoom('core/images', 'const work = async () => {};\nexport const start = () => {\n  work();\n};\n', FLOATING),
  inRoom('adapters/storage', 'export const home = process.env.HOME;\n', ENVIRONMENT),
  inRoom('http', "export const say = () => console.log('hello');\n", CONSOLE),
  inRoom('cli', 'console.log(process.env.HOME);\n', null),
  inRoom('http', 'export const anything: any = 1;\n', ANY),
  inRoom('http', "import { part } from './part.ts';\n", UNUSED_IMPORT),
  inRoom('http', 'const part = 1;\n', UNUSED_VARIABLE),

  { path: 'src/core/images/index.ts', code: 'export const own = 1;\n', rule: FILE_NAME },
  { path: 'src/adapters/storage/utils.ts', code: 'export const own = 1;\n', rule: FILE_NAME },
  { path: 'test/support/helpers.ts', code: 'export const own = 1;\n', rule: FILE_NAME },
  { path: 'src/core/images/RunImage.ts', code: 'export const own = 1;\n', rule: FILE_NAME },
];

describe('biome refuses and accepts', () => {
  const tree = mkdtempSync(join(tmpdir(), 'easel-rules-'));
  let refusals: Map<string, string[]>;

  beforeAll(() => {
    for (const name of ['biome.json', 'package.json', '.gitignore']) cpSync(join(ROOT, name), join(tree, name));
    for (const { path, code } of CASES) {
      mkdirSync(join(tree, dirname(path)), { recursive: true });
      writeFileSync(join(tree, path), code);
    }
    refusals = lint(tree);
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.each(CASES)('$path: $code', ({ path, rule }) => {
    expect((refusals.get(path) ?? []).sort()).toEqual([rule ?? []].flat().toSorted());
  });
});

// biome does not look into types that are written as `import('…').Name`.
test('no type is imported inside an expression', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  const inline = sources.filter((path) => /(?<!await )\bimport\(/.test(readFileSync(join(ROOT, 'src', path), 'utf8')));
  expect(sources.length).toBeGreaterThan(100);
  expect(inline).toEqual([]);
});

/** Rules that biome says each file breaks, by the file's path inside `tree`. One run for all: starting it is what costs. */
function lint(tree: string): Map<string, string[]> {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const run = spawnSync(biome, ['lint', '--reporter=json', '--max-diagnostics=none'], {
    cwd: tree,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
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
