import { createHash, randomBytes } from 'node:crypto';
import fs, { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPooledReads } from '../../../src/http/media/pooled-reads.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

/** More than the kernel buffers for a client that does not read. */
const FILE_BYTES = 16 * 1024 * 1024;
const BUFFER_BYTES = 512 * 1024;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ReturnType<typeof createServer>;
/** The open descriptors. */
let open: Set<number>;
let answers: ServerResponse[];

beforeEach(async () => {
  folder = await temporaryFolder();
  open = new Set();
  answers = [];
  const readInto = createPooledReads();
  server = createServer((asked: IncomingMessage, answer: ServerResponse) => {
    const { pathname, searchParams } = new URL(asked.url ?? '', 'http://x');
    const fd = openSync(join(folder.path, pathname), 'r');
    open.add(fd);
    const close = () => {
      closeSync(fd);
      open.delete(fd);
    };
    const start = Number(searchParams.get('start'));
    const bytes = Number(searchParams.get('bytes') ?? FILE_BYTES - start);
    answer.writeHead(200, { 'content-length': bytes });
    answers.push(answer);
    const file = readInto({ fd, start, bytes, close }, answer);
    if (!searchParams.has('late')) return pipeline(file, answer, () => undefined);
    file.read(0);
    file.once('readable', async () => {
      for (let turns = 0; turns < 100; turns++) await turn();
      pipeline(file, answer, () => undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await folder[Symbol.asyncDispose]();
});

/** Makes a file of random bytes. */
function make(name: string): Buffer {
  const bytes = randomBytes(FILE_BYTES);
  writeFileSync(join(folder.path, name), bytes);
  return bytes;
}

/** Resolves when the headers of the answer are there. */
function ask(path: string): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, agent: false }, resolve).once('error', reject).end();
  });
}

/** Waits until the server has bytes that no socket takes, and then long enough for a wrong reuse of a buffer to show. */
async function stalled(): Promise<void> {
  await until(() => answers.some(({ writableLength }) => writableLength > 0));
  for (let turns = 0; turns < 100; turns++) await turn();
}

async function read(path: string): Promise<Buffer> {
  return Buffer.concat(await (await ask(path)).toArray());
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('concurrent answers, some to clients that pause, each have the bytes of their own file', async () => {
  const files = new Map(['a', 'b'].map((name) => [name, digest(make(name))]));
  const waiting = await Promise.all([...files.keys()].map((name) => ask(`/${name}`)));
  await stalled();
  await Promise.all([...files].map(async ([name, expected]) => expect(digest(await read(`/${name}`))).toBe(expected)));
  for (const [index, expected] of [...files.values()].entries()) {
    expect(digest(Buffer.concat((await waiting[index]?.toArray()) ?? []))).toBe(expected);
  }
});

test('a chunk that is read before the stream is piped is not overwritten', async () => {
  const expected = digest(make('a'));
  expect(digest(await read('/a?late'))).toBe(expected);
});

test.each([
  [0, 1],
  [FILE_BYTES - 1, 1],
  [12_345, 600_000],
  [0, BUFFER_BYTES],
  [1, 2 * BUFFER_BYTES],
])('reads a part: from %i, %i bytes', async (start, bytes) => {
  const file = make('a');
  const got = await read(`/a?start=${start}&bytes=${bytes}`);
  expect(got.equals(file.subarray(start, start + bytes))).toBe(true);
});

test('a buffer is reused by the next answer, unless its last answer was cut off', async () => {
  make('a');
  const allocations = vi.spyOn(Buffer, 'allocUnsafeSlow');
  const made = () => allocations.mock.calls.filter(([bytes]) => bytes === BUFFER_BYTES).length;
  try {
    for (let round = 0; round < 2; round++) await read('/a');
    expect(made()).toBe(1);
    const leaving = await ask('/a');
    await stalled();
    leaving.destroy();
    await until(() => open.size === 0);
    await read('/a');
    expect(made()).toBe(2);
  } finally {
    allocations.mockRestore();
  }
});

test('files are closed, also when the client disconnects in the middle', async () => {
  make('a');
  await read('/a');
  const leaving = await Promise.all(Array.from({ length: 10 }, () => ask('/a')));
  expect(open.size).toBeGreaterThan(0);
  for (const answer of leaving) answer.destroy();
  await until(() => open.size === 0);
});

test('an answer whose file is shorter than announced is aborted', async () => {
  make('a');
  truncateSync(join(folder.path, 'a'), 1_000_000);
  await expect(read('/a')).rejects.toThrow(/aborted/);
  await until(() => open.size === 0);
});

test('short reads of a file system are completed', async () => {
  const expected = digest(make('a'));
  const { read: real } = fs;
  const shortRead = (fd: number, buffer: Buffer, offset: number, length: number, position: number, done: () => void) =>
    real(fd, buffer, offset, Math.min(length, 8_000), position, done);
  Object.assign(fs, { read: shortRead });
  syncBuiltinESMExports();
  try {
    const waiting = await ask('/a');
    await stalled();
    expect(digest(Buffer.concat(await waiting.toArray()))).toBe(expected);
  } finally {
    Object.assign(fs, { read: real });
    syncBuiltinESMExports();
  }
});
