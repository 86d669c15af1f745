import dns from 'node:dns';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import fastify from 'fastify';
import { expect, test, vi } from 'vitest';
import { boundConnections } from '../../../src/http/connections/connection-bound.ts';
import { trackConnections } from '../../../src/http/connections/open-connections.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { type RunningService, startProcess, startService } from '../../support/app/process.ts';
import { picture } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { post as postTo } from '../../torture/life.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

/** Starts the service as a shell with this limit of open files does. */
function limited(openFiles: number, options = ''): readonly [string, ...string[]] {
  return ['sh', '-c', `ulimit -n ${openFiles}; exec '${process.execPath}' ${options} '${MAIN}'`];
}

/** Opens connections that send nothing. */
async function openIdle(url: string, count: number, host = '127.0.0.1'): Promise<Socket[]> {
  const { port } = new URL(url);
  const sockets = Array.from({ length: count }, () => connect(Number(port), host).on('error', () => undefined));
  await Promise.all(sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])));
  return sockets;
}

const openFiles = ({ child }: RunningService) => readdirSync(`/proc/${child.pid}/fd`).length;

const post = ({ url }: RunningService, mediaId: string) =>
  postTo(url, { prompt: 'a lighthouse', mediaId, size: '256x256' });

test.each([
  // The bounds are in docs/operations.md.
  { limit: 1024, idle: 1100, bound: 384 },
  { limit: 64, idle: 100, bound: 16 },
])('with $limit open files, $idle idle connections stop nothing', async ({ limit, idle, bound }) => {
  await using folder = await temporaryFolder();
  await using service = await startService({ folder: folder.path, command: limited(limit) });
  const before = openFiles(service);
  const oldest: Socket[] = [];
  while (oldest.length < idle - bound) {
    // Fewer than the backlog of the system, and accepted before the next: otherwise the last may be accepted first.
    oldest.push(...(await openIdle(service.url, Math.min(100, idle - bound - oldest.length))));
    await fetch(`${service.url}/health/live`, { headers: { connection: 'close' } });
  }
  const sockets = [...oldest, ...(await openIdle(service.url, bound))];
  const open = () => sockets.filter(({ closed }) => !closed).length;
  await expect.poll(open).toBe(bound);
  expect(oldest.every(({ closed }) => closed)).toBe(true);
  await expect.poll(() => openFiles(service)).toBeLessThanOrEqual(before + bound);

  expect((await post(service, 'a')).status).toBe(201);
  expect((await fetch(`${service.url}/health`)).status).toBe(200);
  expect(service.stdout()).toContain(`"max":${bound}`);
  // No more are closed than need be: each of the two requests took the place of one.
  expect(open()).toBeGreaterThanOrEqual(bound - 2);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => openFiles(service)).toBeLessThan(before + 10);
  expect((await post(service, 'b')).status).toBe(201);
  service.child.kill('SIGTERM');
  expect(await service.exited).toBe(0);
});

test('with no descriptor left, the process goes on, and keeps a picture that was paid for until it can be written', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  const env = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl, IMAGE_SIZE: '256x256' };
  const preload = new URL('../../support/exhausted-descriptors.ts', import.meta.url);
  const command = limited(256, `--import '${preload}'`);
  await using service = await startService({ folder: folder.path, env, command });
  const answer = post(service, 'paid');
  await gate.reached();

  service.child.kill('SIGWINCH');
  await expect.poll(service.stderr).toBe('EMFILE\n');
  gate.open();
  await expect.poll(service.stdout).toMatch(/EMFILE/);
  // New connections cannot be accepted: the system closes them, or keeps them waiting where the write took the last descriptor.
  await expect(fetch(`${service.url}/health`, { signal: AbortSignal.timeout(5_000) })).rejects.toThrow();
  service.child.kill('SIGWINCH');
  expect((await answer).status).toBe(201);
  expect(upstream.calls).toHaveLength(1);
  expect((await fetch(`${service.url}/health`)).status).toBe(200);
});

test('with fewer open files than it needs, it says so and does not start', async () => {
  await using folder = await temporaryFolder();
  await using service = startProcess({ folder: folder.path, command: limited(48) });
  expect(await service.exited).toBe(78);
  expect(service.stderr()).toBe(
    'Easel did not start: it may open 48 files at once and needs 64; raise the limit (ulimit -n)\n',
  );
});

type LookupDone = (error: null, found: readonly dns.LookupAddress[]) => void;

test('connections at the second address of localhost count too', async () => {
  // Fastify listens on each address of `localhost`, which are one or two, as the machine has it.
  const lookup = vi.spyOn(dns, 'lookup').mockImplementation(((host: string, _options: object, done: LookupDone) => {
    const addresses = host === 'localhost' ? ['127.0.0.1', '127.0.0.2'] : [host];
    process.nextTick(() =>
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      ),
    );
  }) as unknown as typeof dns.lookup);
  await using app = fastify();
  boundConnections(app, trackConnections(app), 4);
  const url = await app.listen({ host: 'localhost', port: 0 });
  lookup.mockRestore();
  const sockets = [...(await openIdle(url, 3, '127.0.0.1')), ...(await openIdle(url, 3, '127.0.0.2'))];
  await expect.poll(() => sockets.map(({ closed }) => closed)).toEqual([true, true, false, false, false, false]);
  for (const socket of sockets) socket.destroy();
});

test('a connection that is being answered is never closed for a new one; that is refused where none is idle', async () => {
  await using http = await openHttpApp({}, {}, { maxConnections: 2 });
  const body = (id: string) => `{"prompt":"a","mediaId":"${id}"}`;
  const ask = (id: string) =>
    http.raw(
      'POST /images HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${body(id).length}\r\n\r\n${body(id)}`,
    );
  const first = ask('a');
  await expect.poll(() => http.images.waits.length).toBe(1);
  const second = ask('b');
  await expect.poll(() => http.images.waits.length).toBe(2);
  const third = connect(http.port, '127.0.0.1').on('error', () => undefined);
  await once(third, 'close');
  http.images.settle('a', { status: 'succeeded' });
  http.images.settle('b', { status: 'succeeded' });
  expect(await first).toMatch(/^HTTP\/1.1 201 /);
  expect(await second).toMatch(/^HTTP\/1.1 201 /);
});

test('a connection that the system cannot accept is logged, and ends nothing', async () => {
  await using http = await openHttpApp();
  http.app.server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  expect((await fetch(`http://127.0.0.1:${http.port}/health/live`)).status).toBe(200);
  expect(http.log).toContainEqual(expect.objectContaining({ level: 40, msg: 'a connection could not be accepted' }));
});

test('the connection is closed whose last request is the longest ago', async () => {
  await using http = await openHttpApp({}, {}, { maxConnections: 2 });
  const open = async () => {
    const socket = connect(http.port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const ask = async (socket: Socket) => {
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
  };
  const first = await open();
  const second = await open();
  await ask(second);
  await ask(first);
  const third = await open();
  await once(second, 'close');
  await ask(first);
  await ask(third);
});
