/** The commands for pictures, on a running service: what they print, write and end with. */

import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ImageRecord } from '../../../src/client/shapes.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { TEST_KEYS } from '../../support/test-keys.ts';
import { callEasel } from '../call-easel.ts';

let easel: Easel;
let place: TemporaryFolder;
beforeAll(async () => {
  place = await temporaryFolder();
  const env = { API_KEYS: TEST_KEYS, IMAGE_SIZE: '1024x1024', IMAGE_RENDITIONS: '64x64.webp' };
  // A call waits as long as it says.
  easel = await startEasel({ env, skipMs: 0 });
});
afterAll(async () => {
  await easel[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const out = (name: string) => join(place.path, name);
const boss = { authorization: 'Bearer boss-secret' };
const answered = async (path: string) => await (await easel.get(path, boss)).json();

/** Runs a command on the service, whose address and key stand in the environment. */
function easelAt(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return callEasel(place.path, args, { EASEL_URL: easel.url, EASEL_API_KEY: 'boss-secret', ...env });
}

async function make(mediaId: string, ...options: readonly string[]): Promise<ImageRecord> {
  const run = await easelAt(['generate', 'a', 'lighthouse', '--media-id', mediaId, '--json', ...options]);
  expect([run.code, run.stderr]).toEqual([0, '']);
  return JSON.parse(run.stdout) as ImageRecord;
}

it('generate makes the picture at the service, prints its address, and writes it to --out in the format of the ending', async () => {
  const record = await make('made', '--out', out('made.jpg'), '--label', 'blog');
  expect(record).toEqual(await answered('/images/made'));
  expect(await sharp(out('made.jpg')).metadata()).toMatchObject({ format: 'jpeg', width: 1024 });
  expect(await readdir(place.path)).toEqual(['made.jpg']);

  const again = await easelAt([
    'generate',
    'a lighthouse',
    '--media-id',
    'made',
    '--format',
    'jpeg',
    '--label',
    'blog',
  ]);
  expect(again.stdout.split('\n')).toEqual([
    `url      ${easel.url}/media/made.jpeg`,
    expect.stringMatching(/^size {5}1024x1024 jpeg, /),
    expect.stringMatching(/^cost {5}\$0\.\d+$/),
    'mediaId  made',
    '',
  ]);
  expect(easel.upstream.calls).toHaveLength(1);
  // Nothing of it is on this machine.
  await expect(access(join(place.path, 'easel.db'))).rejects.toThrow('ENOENT');
});

it('--input takes files, and the mediaId of another picture; --mask goes with the first', async () => {
  await make('base');
  const alpha = { r: 0, g: 0, b: 0, alpha: 0 };
  await writeFile(out('own.png'), await texturedPicture({ width: 64, height: 64 }));
  await writeFile(
    out('mask.png'),
    await sharp({ create: { width: 64, height: 64, channels: 4, background: alpha } })
      .png()
      .toBuffer(),
  );
  const record = await make('edited', '--input', out('own.png'), '--input', 'base', '--mask', out('mask.png'));
  expect(record.request.inputs).toEqual([{ sha256: expect.any(String) }, { mediaId: 'base' }]);
  expect(record.request.mask).toEqual({ sha256: expect.any(String) });
  expect(easel.upstream.calls.at(-1)?.path).toContain('/images/edits');

  const before = easel.upstream.calls.length;
  for (const [option, message] of [
    [['--input', out('none.png')], /^--input: there is no file .*none\.png; name a file, a URL, or the mediaId/],
    [['--input', place.path], /^--input: .* is a folder/],
    [['--mask', out('mask.png')], /^--mask: is for a picture to start from; name it with --input/],
  ] as const) {
    const run = await easelAt(['generate', 'x', ...option]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(message);
  }
  expect(easel.upstream.calls).toHaveLength(before);
});

it('list prints a table in full, or the page as GET /images answers it, and goes on by its cursor', async () => {
  await make('third', '--label', 'blog');
  const table = await easelAt(['list', '--label', 'blog']);
  expect([table.code, table.stderr]).toEqual([0, '']);
  expect(table.stdout.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^ID +STATUS +CREATED +SIZE +COST +LABELS +PROMPT$/),
    expect.stringMatching(
      /^third +succeeded +\d{4}-\d\d-\d\d \d\d:\d\dZ +1024x1024 png +\$0\.\d+ +blog +a lighthouse$/,
    ),
    expect.stringMatching(/^made /),
  ]);
  const page = await easelAt(['list', '--status', 'succeeded', '--status', 'failed', '--limit', '2', '--json']);
  expect(JSON.parse(page.stdout)).toEqual(await answered('/images?status=succeeded&status=failed&limit=2'));
  const { nextCursor } = JSON.parse(page.stdout) as { nextCursor: string };
  const next = await easelAt(['list', '--status', 'succeeded', '--limit', '50', '--cursor', nextCursor, '--json']);
  const { items } = JSON.parse(next.stdout) as { items: ImageRecord[] };
  expect(items.map(({ mediaId }) => mediaId)).toEqual(['base', 'made']);

  const none = await easelAt(['list', '--status', 'cancelled']);
  expect(none).toEqual({ code: 0, stdout: '', stderr: 'no pictures\n' });
});

it('list reads as many pages as --limit needs', async () => {
  const asked: string[] = [];
  const pages = createServer(({ url = '' }, answer) => {
    asked.push(url);
    const count = Number(new URL(url, 'http://x').searchParams.get('limit'));
    const items = Array.from({ length: count }, (_, index) => ({ mediaId: `${asked.length}-${index}` }));
    answer.setHeader('content-type', 'application/json').end(JSON.stringify({ items, nextCursor: `c${asked.length}` }));
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  const run = await easelAt(['list', '--limit', '230', '--label', 'a b', '--url', url, '--json']);
  pages.closeAllConnections();
  pages.close();
  expect(asked).toEqual([
    '/images?limit=100&label=a+b',
    '/images?limit=100&label=a+b&cursor=c1',
    '/images?limit=30&label=a+b&cursor=c2',
  ]);
  const page = JSON.parse(run.stdout) as { items: readonly unknown[]; nextCursor: string };
  expect([page.items.length, page.nextCursor]).toEqual([230, 'c3']);
});

it('get shows the record, and writes the master or the largest rendition of a format', async () => {
  const shown = await easelAt(['get', 'made']);
  expect(shown.stdout).toMatch(/^mediaId {2}made\nstatus {3}succeeded\nurl {6}http.*made\.jpeg\n/);
  expect(shown.stdout).toMatch(/^file {5}64x64\.webp, \d+ kB$/m);
  expect(shown.stdout).toMatch(/^labels {3}blog$/m);
  expect(JSON.parse((await easelAt(['get', 'made', '--json'])).stdout)).toEqual(await answered('/images/made'));

  for (const [name, format, width] of [
    ['get.jpeg', 'jpeg', 1024],
    ['get.webp', 'webp', 64],
  ] as const) {
    expect(await easelAt(['get', 'made', '--out', out(name)])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await sharp(out(name)).metadata()).toMatchObject({ format, width });
  }
  const missing = await easelAt(['get', 'made', '--out', out('get.avif')]);
  expect([missing.code, missing.stderr]).toEqual([1, 'made has no avif; there is 1024x1024.jpeg, 64x64.webp\n']);
  const wrong = await easelAt(['get', 'made', '--out', out('get.gif')]);
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/must end in \.png, \.jpeg, \.jpg, \.webp or \.avif/),
  ]);
});

it.each([['get'], ['cancel'], ['retry'], ['rm']])(
  '%s of an unknown picture ends with 1, with the problem for --json',
  async (command) => {
    const run = await easelAt([command, 'unknown', '--json']);
    expect([run.code, run.stderr]).toEqual([1, 'there is no image unknown (not_found)\n']);
    expect(JSON.parse(run.stdout)).toMatchObject({ status: 404, code: 'not_found' });
  },
);

it('retry runs a failed picture again and waits for its end', async () => {
  easel.upstream.script(openAiError('moderation_blocked'));
  const failed = await easelAt(['generate', 'x', '--media-id', 'again']);
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/\(prompt_rejected\)\n$/)]);
  const shown = await easelAt(['get', 'again', '--out', out('again.png')]);
  expect([shown.code, shown.stderr]).toEqual([1, expect.stringMatching(/^again has no picture: it is failed, /)]);
  const replayed = await easelAt(['generate', 'x', '--media-id', 'again']);
  expect(replayed.stderr).toMatch(/nothing was called now: easel retry again runs it again/);

  const run = await easelAt(['retry', 'again', '--json']);
  expect(run.code).toBe(0);
  expect(JSON.parse(run.stdout)).toEqual(await answered('/images/again'));
  const refused = await easelAt(['retry', 'again']);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/\(not_retryable\)\n$/)]);
});

it('cancel ends a run, and says what a picture that has ended is; rm deletes several, and says which it could not', async () => {
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'running', prompt: 'x' }, { ...boss, prefer: 'respond-async' });
  await gate.reached();
  const cancelled = await easelAt(['cancel', 'running', 'made']);
  expect(cancelled).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^running: cancelled; it has cost at most \$0\.\d+\nmade: succeeded already\n$/),
    stderr: '',
  });
  gate.open();
  expect(JSON.parse((await easelAt(['cancel', 'running', '--json'])).stdout)).toMatchObject({ status: 'cancelled' });

  const removed = await easelAt(['rm', 'running', 'unknown', 'third']);
  expect(removed).toEqual({
    code: 1,
    stdout: 'running: deleted\nthird: deleted\n',
    stderr: 'unknown: there is no image unknown (not_found)\n',
  });
  expect(JSON.parse((await easelAt(['rm', 'edited', '--json'])).stdout)).toEqual({ mediaId: 'edited', deleted: true });
  expect((await easel.get('/images/edited', boss)).status).toBe(404);
});

it('cleanup passes all its options on, and prints the report', async () => {
  const options = [
    '--older-than',
    '0s',
    '--max-bytes',
    '0',
    '--status',
    'succeeded',
    '--label',
    'blog',
    '--key',
    'boss',
    '--dry-run',
  ];
  const run = await easelAt(['cleanup', ...options]);
  expect([run.code, run.stderr]).toEqual([0, '']);
  expect(JSON.parse(run.stdout)).toMatchObject({ deleted: 1, dryRun: true, mediaIds: ['made'] });
  const other = await easelAt(['cleanup', '--older-than', '0s', '--status', 'failed', '--dry-run']);
  expect(JSON.parse(other.stdout)).toMatchObject({ deleted: 0, mediaIds: [] });
  for (const [option, value] of [
    ['--max-bytes', '1GB'],
    ['--status', 'queued'],
  ] as const) {
    const wrong = await easelAt(['cleanup', option, value]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(option)]);
  }
});

it.each([
  ['models', /^MODEL +PROVIDER +USABLE .*\ngpt-image-2 +openai +yes /],
  ['presets', /^PRESET +VERSION +SIZE .*\narticle-hero +1 +1792x1024 +1200x675\.png /],
])('%s prints a table, or the list of the HTTP answer', async (command, table) => {
  expect((await easelAt([command])).stdout).toMatch(table);
  expect(JSON.parse((await easelAt([command, '--json'])).stdout)).toEqual(await answered(`/${command}`));
});

it('says of a service that is not there what it tried, and of a key that is refused what to set; both end with 1', async () => {
  const refused = await easelAt(['list', '--json'], { EASEL_API_KEY: 'wrong' });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/EASEL_API_KEY .*\(unauthorized\)\n$/)]);
  expect(JSON.parse(refused.stdout)).toMatchObject({ status: 401, code: 'unauthorized' });
  const forbidden = await easelAt(['cleanup'], { EASEL_API_KEY: 'viewer-secret' });
  expect([forbidden.code, forbidden.stderr]).toEqual([
    1,
    expect.stringMatching(/scope admin.*EASEL_API_KEY.*\(forbidden\)/),
  ]);
  const port = await freePort();
  // --url is before EASEL_URL.
  const away = await easelAt(['get', 'made', '--url', `http://127.0.0.1:${port}`, '--json']);
  expect([away.code, away.stderr]).toEqual([
    1,
    expect.stringContaining(`http://127.0.0.1:${port} could not be reached: `),
  ]);
  expect(JSON.parse(away.stdout)).toMatchObject({ code: 'unreachable', detail: expect.any(String) });
});

it('a key that may only generate makes pictures, too', async () => {
  const run = await easelAt(['generate', 'x', '--media-id', 'by-maker'], { EASEL_API_KEY: 'maker-secret' });
  expect([run.code, run.stderr]).toEqual([0, '']);
});

it.each([
  ['serve', ['serve']],
  ['backup', ['backup', 'b']],
  ['restore', ['restore', 'b']],
  ['migrate', ['migrate', '--from', 'a', '--media-from', 'b', '--to', 'c', '--media-to', 'd']],
  ['keys create', ['keys', 'create', 'blog', 'read']],
])('%s refuses --url with 2', async (name, args) => {
  const run = await callEasel(place.path, [...args, '--url', easel.url]);
  expect(run).toEqual({ code: 2, stdout: '', stderr: `--url: ${name} works on this machine alone; leave out --url\n` });
});

it('EASEL_URL is no matter of a command that works on this machine alone, and a wrong one is a wrong setting', async () => {
  expect((await easelAt(['keys', 'create', 'blog', 'read'])).code).toBe(0);
  for (const [env, message] of [
    [{ EASEL_URL: 'localhost:3000' }, /EASEL_URL: must be an http or https URL, such as http/],
    [{ EASEL_API_KEY: 'a b' }, /EASEL_API_KEY: must be visible ASCII/],
  ] as const) {
    const run = await easelAt(['list'], env);
    expect([run.code, run.stderr]).toEqual([78, expect.stringMatching(message)]);
  }
  const run = await easelAt(['list', '--url', 'http://a:b@127.0.0.1']);
  expect([run.code, run.stderr]).toEqual([2, expect.stringMatching(/^--url: must hold no user, no password/)]);
});

it.each([
  ['is refused', 403],
  ['comes as something else', 200],
])('a picture that is made but %s ends with 1, and names the command that fetches it', async (_how, status) => {
  await using proxy = await proxyWithoutMedia(easel.url, status);
  const args = ['generate', 'x', '--media-id', 'kept', '--out', out('kept.png'), '--url', proxy.url];
  const run = await easelAt(args);
  expect([run.code, run.stdout]).toEqual([1, '']);
  expect(run.stderr).toMatch(
    /^the picture is made and kept, but could not be written: .*; easel get kept --out FILE fetches it\n$/,
  );
  await expect(readFile(out('kept.png'))).rejects.toThrow('ENOENT');
  expect(await answered('/images/kept')).toMatchObject({ status: 'succeeded' });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Passes everything on but pictures, which it has none of. */
async function proxyWithoutMedia(target: string, status: number) {
  const server = createServer((incoming, answer) => {
    if (incoming.url?.startsWith('/media/')) {
      answer.writeHead(status).end('no');
      return;
    }
    const onward = request(new URL(incoming.url ?? '', target), {
      method: incoming.method ?? 'GET',
      headers: incoming.headers,
    });
    onward.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
