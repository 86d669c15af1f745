import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPage } from '../docs/pages.ts';
import { type RunningService, startProcess, untilListening } from '../support/app/process.ts';
import { chromiumNote, hasChromium, testBrowser } from '../support/page/chromium.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';

// What `npm pack` makes, as a project has it that has installed it: packed once, from a copy of the tree, and unpacked below node_modules,
// beside links to the packages that it needs.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PACKED = [
  '.ci',
  'bin',
  'openapi',
  'src',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
  'LICENSE',
];
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** The examples of the documentation as one module. */
const DOCS = [
  'declare const apiKey: string, webhookSecret: string, file: File, upload: (picture: Blob) => Promise<void>;',
  ...readPage('docs/client.md')
    .blocks.filter(({ language }) => language === 'ts')
    .map(({ text }) => text),
].join('\n');

let folder: TemporaryFolder;
let project: string;
let origin: string;
let service: RunningService;

/** Serves the installed package, as a page of another origin loads it. */
const pages = createServer((request, response) => {
  const file = join(project, 'node_modules/easel/dist', new URL(request.url ?? '/', 'http://pages').pathname);
  const isScript = extname(file) === '.js' && existsSync(file);
  response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
  response.end(isScript ? readFileSync(file) : '<!doctype html><title>Another site</title>');
});

function run(command: string, args: readonly string[], cwd: string) {
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const env = { PATH, HOME: folder.path, npm_config_update_notifier: 'false' };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { status, stdout, output: stdout + stderr };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const copy = join(folder.path, 'copy');
  for (const name of PACKED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const packed = run('npm', ['pack', '--offline', '--pack-destination', folder.path], copy);
  if (packed.status !== 0) throw new Error(packed.output);

  project = join(folder.path, 'project');
  mkdirSync(join(project, 'node_modules/easel'), { recursive: true });
  const [tarball] = readdirSync(folder.path).filter((name) => name.endsWith('.tgz'));
  run('tar', ['-xzf', join(folder.path, tarball ?? ''), '-C', 'node_modules/easel', '--strip-components=1'], project);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '.bin') symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  }
  mkdirSync(join(project, 'node_modules/.bin'));
  symlinkSync('../easel/bin/easel.js', join(project, 'node_modules/.bin/easel'));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));

  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  const env = { API_KEYS: 'site:site-secret:admin', CORS_ORIGINS: origin, IMAGE_SIZE: '512x320', IMAGE_RENDITIONS: '' };
  const command = [join(project, 'node_modules/.bin/easel'), 'serve'] as const;
  service = await untilListening(startProcess({ folder: folder.path, command, env }));
});

afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  pages.closeAllConnections();
  pages.close();
  await folder[Symbol.asyncDispose]();
});

describe('the package', () => {
  test('has what it needs, and nothing of the checkout besides', () => {
    const installed = join(project, 'node_modules/easel');
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'bin', 'dist', 'openapi', 'package.json']);
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    // Its owner has not published it yet.
    expect(manifest.private).toBe(true);
    for (const name of readdirSync(join(installed, 'dist/client'))) {
      const text = readFileSync(join(installed, 'dist/client', name), 'utf8');
      const imported = [...text.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)].map(([, specifier]) => specifier);
      const foreign = imported.filter((specifier) => !/^(?:\.\/|\.\.\/api\/problem-kinds\.)/.test(specifier ?? ''));
      // The example of a comment.
      expect(foreign.filter((specifier) => specifier !== 'easel/client')).toEqual([]);
    }
  });

  test('brings the command: a service with its page, and the version', async () => {
    const version = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version as string;
    const said = run(join(project, 'node_modules/.bin/easel'), ['--version'], project);
    expect(said).toMatchObject({ status: 0, output: `${version}\n` });
    const document = await (await fetch(`${service.url}/`)).text();
    const files = [...document.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map(([, path]) => path);
    expect(files.length).toBeGreaterThan(20);
    const statuses = await Promise.all(files.map(async (path) => (await fetch(`${service.url}/${path}`)).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test('says of a command that keeps documents of the source that it is not for packages', () => {
    const easel = join(project, 'node_modules/.bin/easel');
    expect(run(easel, ['openapi'], project)).toMatchObject({
      status: 2,
      output: expect.stringContaining('a running service has the document at /openapi.json'),
    });
    expect(run(easel, ['config', '--check'], project)).toMatchObject({
      status: 2,
      output: expect.stringContaining('config alone prints the settings'),
    });
    expect(run(easel, ['config'], project).stdout).toContain('OPENAI_API_KEY');
  });

  test('leaves nothing behind in a checkout, where the command says that it runs from what an interrupted npm pack left', () => {
    const copy = join(folder.path, 'copy');
    expect(readdirSync(copy)).not.toContain('dist');
    mkdirSync(join(copy, 'dist/cli'), { recursive: true });
    writeFileSync(join(copy, 'dist/cli/easel.js'), "console.log('compiled');\n");
    const { stdout, output } = run(process.execPath, ['bin/easel.js', '--version'], copy);
    expect(stdout).toBe('compiled\n');
    expect(output).toContain('Easel runs from dist/, which may be older than src/');
  });

  test('type-checks under strict, without the types of Node and with those of dependencies checked', () => {
    // Without zod and all else: a project that has the client alone.
    const types = join(folder.path, 'types');
    cpSync(join(project, 'node_modules/easel'), join(types, 'node_modules/easel'), { recursive: true });
    const consumer = readFileSync(join(ROOT, 'test/support/client/consumer.ts'), 'utf8');
    writeFileSync(join(types, 'consumer.ts'), consumer.replace(/'[^']*\/src\/client\/client\.ts'/, "'easel/client'"));
    for (const lib of [
      ['es2022', 'dom'],
      ['es2022', 'webworker'],
    ]) {
      const compilerOptions = {
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        target: 'es2022',
        module: 'nodenext',
        lib,
        types: [],
      };
      writeFileSync(join(types, 'docs.ts'), DOCS);
      writeFileSync(join(types, 'package.json'), JSON.stringify({ type: 'module' }));
      writeFileSync(
        join(types, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['consumer.ts', 'docs.ts'] }),
      );
      expect(run(process.execPath, [TSC, '--project', '.'], types)).toEqual({ status: 0, stdout: '', output: '' });
    }
  });
});

describe('the client of the package', () => {
  const script = (url: string) => `
    import { createEasel, EaselError } from 'easel/client';
    const easel = createEasel({ baseUrl: ${JSON.stringify(url)}, apiKey: 'site-secret' });
    const { mediaId, status, url } = await easel.generate({ prompt: 'on ' + process.version });
    const events = [];
    for await (const { type } of easel.events(mediaId)) events.push(type);
    const input = await (await easel.media(url)).blob();
    const plan = await easel.preview({ prompt: 'an edit', inputs: [{ file: input }], provider: 'placeholder' });
    const error = await easel.get('nowhere').catch((error) => error);
    console.log(JSON.stringify([status, events, input.type, plan.providers, error instanceof EaselError, error.code]));
  `;
  const expected = ['succeeded', ['status', 'done'], 'image/png', ['placeholder'], true, 'not_found'];

  const runsIn = (node: string) => {
    writeFileSync(join(project, 'use.mjs'), script(service.url));
    const { status, stdout, output } = run(node, ['use.mjs'], project);
    expect({ status, output: output.startsWith('[') ? '' : output }).toEqual({ status: 0, output: '' });
    expect(JSON.parse(stdout)).toEqual(expected);
  };
  test('runs in the Node of the tests', () => runsIn(process.execPath));
  const older = olderNode();
  const name = older?.name ?? 'Node 20 (skipped: there is no older Node on PATH than that of the tests)';
  test.skipIf(older === null)(`runs in ${name}`, () => runsIn(older?.node ?? ''));

  const browser = testBrowser();
  test.skipIf(!hasChromium)(`runs in a browser, on a page of another origin${chromiumNote}`, async () => {
    const page = await (await browser()).newPage();
    await page.goto(origin);
    // As text: what runs modules here would rewrite the import.
    const found = await page.evaluate(`(async () => {
      const { createEasel } = await import('/client/client.js');
      const easel = createEasel({ baseUrl: '${service.url}', apiKey: 'site-secret', maxRetries: 0 });
      const submitted = await easel.submit({ prompt: 'in a browser', mediaId: 'browser' }, { idempotencyKey: 'b' });
      const record = await easel.wait(submitted.mediaId);
      let last = '';
      for await (const { id } of easel.events(record.mediaId)) last = id;
      const after = [];
      for await (const { type } of easel.events(record.mediaId, { lastEventId: last })) after.push(type);
      const file = await (await easel.media(record.url)).blob();
      const plan = await easel.preview({ prompt: 'an edit', inputs: [{ file }], provider: 'placeholder' });
      const patched = await easel.patch(record.mediaId, { labels: ['browser'] });
      await easel.remove(record.mediaId);
      const { code, requestId } = await easel.get(record.mediaId).catch((error) => error);
      const hasId = typeof requestId === 'string';
      return [record.status, after, file.size === record.bytes, plan.providers, patched.labels, code, hasId];
    })()`);
    expect(found).toEqual(['succeeded', [], true, ['placeholder'], ['browser'], 'not_found', true]);
    await page.close();
  });
});

/** The oldest Node on this machine that the client runs in and that is not the one of the tests; null for none. */
function olderNode(): { readonly name: string; readonly node: string } | null {
  const found = (process.env.PATH ?? '').split(delimiter).flatMap((path) => {
    const node = join(path, 'node');
    if (!existsSync(node)) return [];
    const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
    const major = Number(/^v(\d+)/.exec(stdout)?.[1]);
    return major >= 20 && major < Number.parseInt(process.versions.node, 10)
      ? [{ name: `Node ${stdout.trim().slice(1)}`, node, major }]
      : [];
  });
  return found.sort((one, other) => one.major - other.major)[0] ?? null;
}
