/** `examples/orchestrator`, run as its README says, but for `npm install`, which would write into the project. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { startService } from '../support/app/process.ts';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { freePort, OWN_LOOPBACK } from '../support/network/own-loopback.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { PROJECT } from './pages.ts';

const MEDIA_IDS = [
  'bread',
  'bridges',
  'elections',
  'forests',
  'glaciers',
  'harbours',
  'orchards',
  'railways',
  'salt',
  'windmills',
].map((article) => `${article}-hero`);
const SIZE = '256x160';

/** A service as the README starts it, with smaller pictures, and the example beside it. */
async function setUp(env: Readonly<Record<string, string>>) {
  await using parts = new AsyncDisposableStack();
  const { path: folder } = parts.use(await temporaryFolder());
  const example = join(folder, 'examples/orchestrator');
  await cp(join(PROJECT, 'examples/orchestrator'), example, {
    recursive: true,
    filter: (source) => !source.includes('node_modules'),
  });
  // What `npm install` makes of the dependency on a folder.
  await mkdir(join(example, 'node_modules'));
  await symlink(PROJECT, join(example, 'node_modules/easel'));
  const PRESETS = join(folder, 'presets.json');
  await writeFile(PRESETS, JSON.stringify({ 'article-hero': { version: 2, size: SIZE, renditions: ['64x40.png'] } }));
  const receiver = `${OWN_LOOPBACK}:${await freePort()}`;
  const service = parts.use(await startService({ folder, env: { ...env, PRESETS, WEBHOOK_ALLOW_HOSTS: receiver } }));
  const owned = parts.move();
  return {
    service,
    /** Runs the example to its end. Resolves with its exit code and the lines that it printed. */
    async run() {
      const child = spawn('npm', ['start', '--silent'], {
        cwd: example,
        env: {
          PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
          HOME: folder,
          NODE_COMPILE_CACHE: COMPILE_CACHE,
          EASEL_URL: service.url,
          WEBHOOK_URL: `http://${receiver}/`,
          WEBHOOK_SECRET: await readFile(join(folder, 'webhook-secret'), 'utf8'),
        },
      });
      const [[code], stdout, stderr] = await Promise.all([
        once(child, 'close'),
        text(child.stdout),
        text(child.stderr),
      ]);
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      return stdout.trim().split('\n');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

it('has ten pictures painted by the placeholder', async () => {
  await using example = await setUp({ PROVIDERS: 'placeholder' });
  const lines = await example.run();
  expect(lines.map((line) => line.split(': ')[0])).toEqual([...MEDIA_IDS, '10 pictures, $0.00']);
  for (const line of lines.slice(0, -1)) {
    const answer = await fetch(line.split(': ')[1] ?? '');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png']);
    await answer.body?.cancel();
  }
});

it('says of a refused brief why there is no picture, and when it runs again finds what there is and pays nothing', async () => {
  await using upstream = await startOpenAiServer();
  upstream.always(({ body }) =>
    String(body.prompt).includes('ballot box') ? openAiError('moderation_blocked') : picture({ size: SIZE }),
  );
  await using example = await setUp({ OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl });
  const lines = await example.run();
  expect(lines[2]).toMatch(/^elections-hero: prompt_rejected: .*safety system/);
  expect(lines.filter((line) => line.includes('/media/'))).toHaveLength(9);
  expect(lines.at(-1)).toMatch(/^9 pictures, \$\d+\.\d\d$/);
  expect(await example.run()).toEqual(lines);
  expect(upstream.calls).toHaveLength(MEDIA_IDS.length);
});
