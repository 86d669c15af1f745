import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createS3Store } from '../../../../src/adapters/storage/s3/store.ts';
import { bytes, listed, text } from '../../../contracts/media-store.ts';
import { refusingPort } from '../../../support/network/refusing-port.ts';
import type { S3Fault, S3Request } from '../../../support/s3/faulty-proxy.ts';
import { openS3Scene } from '../../../support/s3/scene.ts';
import { type S3Server, startS3Server } from '../../../support/s3/server.ts';
import { until } from '../../../support/until.ts';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

const LARGE = new Uint8Array(3_000_001).map((_, index) => index * 7);
const UNAVAILABLE = { name: 'ImageError', code: 'storage_unavailable', isLasting: false, retryAfterSeconds: 5 };

/** The fault for the first `count` requests of this method. */
function first(count: number, method: string, fault: S3Fault): (request: S3Request) => S3Fault | null {
  let left = count;
  return (request) => {
    if (request.method !== method || left === 0) return null;
    left -= 1;
    return fault;
  };
}

describe.each<[string, S3Fault]>([
  ['an answer 503 SlowDown', { kind: 'refuse', status: 503, code: 'SlowDown' }],
  ['an answer 500 to a write that has taken effect', { kind: 'fail-after', status: 500, code: 'InternalError' }],
  ['a connection that is cut in the middle of a write', { kind: 'cut-request', bytes: 1_000_000 }],
])('%s', (_what, fault) => {
  it('is tried again, and the file is whole', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = first(2, 'PUT', fault);
    await scene.store.put('a.png', LARGE);
    expect(Buffer.compare((await scene.store.read('a.png')) ?? bytes(''), LARGE)).toBe(0);
    expect(scene.asked()).toEqual(['PUT a.png', 'PUT a.png', 'PUT a.png', 'GET a.png']);
  });

  it('is raised after three tries, and a later write succeeds', async () => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = first(3, 'PUT', fault);
    await expect(scene.store.put('a.png', LARGE)).rejects.toMatchObject(UNAVAILABLE);
    expect(scene.asked()).toHaveLength(3);
    await scene.store.put('a.png', LARGE);
    expect((await listed(scene.store)).map(({ bytes: size }) => size)).toEqual([LARGE.length]);
    expect(await scene.store.usedBytes()).toBe(LARGE.length);
  });
});

it('leaves the old file where a write is cut in the middle', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.put('a.png', bytes('old'));
  scene.proxy.fault = first(3, 'PUT', { kind: 'cut-request', bytes: 1_000 });
  await expect(scene.store.put('a.png', LARGE)).rejects.toMatchObject(UNAVAILABLE);
  expect(await text(scene.store, 'a.png')).toBe('old');
});

describe('a read that is cut in the middle', () => {
  it('is raised, and no part of the file is taken for the whole', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('a.png', LARGE);
    scene.proxy.fault = first(1, 'GET', { kind: 'cut-answer', bytes: 1_000_000 });
    await expect(scene.store.read('a.png')).rejects.toMatchObject({
      ...UNAVAILABLE,
      message: expect.stringContaining('broke off'),
    });
    expect(await scene.store.read('a.png')).toHaveLength(LARGE.length);
  });

  it('fails the stream, also one that is read only then', async () => {
    await using scene = await openS3Scene(server);
    await scene.store.put('a.png', LARGE);
    scene.proxy.fault = first(1, 'GET', { kind: 'cut-answer', bytes: 1_000_000 });
    const opened = await scene.store.open('a.png');
    expect(opened?.bytes).toBe(LARGE.length);
    await expect(opened?.stream().toArray()).rejects.toMatchObject(UNAVAILABLE);
    await opened?.close();
  });
});

it('does not wait for ever for an answer, nor for the rest of one', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.put('a.png', LARGE);
  const hurried = createS3Store({ ...scene.place, timeouts: { answerMs: 50, chunkMs: 50 } });
  const held = Promise.withResolvers<void>();
  scene.proxy.fault = () => ({ kind: 'hold', until: held.promise });
  await expect(hurried.put('b.png', bytes('new'))).rejects.toMatchObject(UNAVAILABLE);
  await expect(hurried.open('a.png')).rejects.toMatchObject(UNAVAILABLE);
  await expect(hurried.check(1)).rejects.toMatchObject(UNAVAILABLE);
  scene.proxy.fault = () => ({ kind: 'stall', bytes: 1_000_000, until: held.promise });
  await expect(hurried.read('a.png')).rejects.toMatchObject(UNAVAILABLE);
  hurried.close();
  held.resolve();
});

it('lets a reader take its time', async () => {
  await using scene = await openS3Scene(server);
  await scene.store.put('a.png', LARGE);
  const opened = await scene.store.open('a.png');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const stream = opened?.stream();
    const chunks: AsyncIterator<Buffer> | undefined = stream?.[Symbol.asyncIterator]();
    let received = (await chunks?.next())?.value.length;
    // As much as is read ahead.
    await until(() => stream && stream.readableLength >= stream.readableHighWaterMark);
    vi.advanceTimersByTime(3_600_000);
    for (let next = await chunks?.next(); next?.done === false; next = await chunks?.next())
      received += next.value.length;
    expect(received).toBe(LARGE.length);
  } finally {
    vi.useRealTimers();
    await opened?.close();
  }
});

describe('a fault that an operator must set right', () => {
  it.each([
    [403, 'ExpiredToken', 'have expired; renew them'],
    [403, 'AccessDenied', 'is denied; give the credentials this right'],
    [403, 'InvalidAccessKeyId', 'does not accept the credentials'],
    [404, 'NoSuchBucket', 'does not exist; make it or correct S3_BUCKET'],
    [301, 'PermanentRedirect', 'is in another region and not in us-east-1; correct S3_REGION'],
  ])('%i %s says so, in reads and writes, and passes when it is', async (status, code, sentence) => {
    await using scene = await openS3Scene(server);
    await scene.store.put('a.png', bytes('a'));
    scene.proxy.fault = () => ({ kind: 'refuse', status, code });
    const fault = { ...UNAVAILABLE, message: expect.stringContaining(sentence) };
    await expect(scene.store.put('a.png', bytes('b'))).rejects.toMatchObject(fault);
    await expect(scene.store.publish([{ name: 'a.png', bytes: bytes('b') }])).rejects.toMatchObject(fault);
    await expect(scene.store.read('a.png')).rejects.toMatchObject(fault);
    await expect(scene.store.open('a.png')).rejects.toMatchObject(fault);
    await expect(scene.store.remove(['a.png'])).rejects.toMatchObject(fault);
    await expect(scene.store.remove(['a.png', 'b.png'])).rejects.toMatchObject(fault);
    await expect(listed(scene.store)).rejects.toMatchObject(fault);
    await expect(scene.store.check(1)).rejects.toMatchObject(fault);
    await expect(scene.store.mark()).rejects.toMatchObject(fault);
    scene.proxy.fault = () => null;
    await scene.store.put('a.png', bytes('b'));
    expect(await text(scene.store, 'a.png')).toBe('b');
  });

  it.each([
    [507, 'XMinioStorageFull'],
    [403, 'QuotaExceeded'],
    [400, 'XMinioAdminBucketQuotaExceeded'],
  ])('%i %s is a full storage', async (status, code) => {
    await using scene = await openS3Scene(server);
    scene.proxy.fault = () => ({ kind: 'refuse', status, code });
    const full = { name: 'ImageError', code: 'storage_full' };
    await expect(scene.store.put('a.png', bytes('a'))).rejects.toMatchObject(full);
    await expect(scene.store.check(1)).rejects.toMatchObject(full);
  });
});

it('raises storage_unavailable where there is no server, from every method', async () => {
  await using refusing = await refusingPort();
  const store = createS3Store({ ...server.place(), endpoint: `http://127.0.0.1:${refusing.port}` });
  const fault = { ...UNAVAILABLE, message: expect.stringContaining('cannot be reached') };
  const names = ['a.png'];
  await Promise.all([
    expect(store.put('a.png', bytes('a'))).rejects.toMatchObject(fault),
    expect(store.publish([{ name: 'a.png', from: 'b.png' }])).rejects.toMatchObject(fault),
    expect(store.read('a.png')).rejects.toMatchObject(fault),
    expect(store.open('a.png')).rejects.toMatchObject(fault),
    expect(store.remove(names)).rejects.toMatchObject(fault),
    expect(store.bytesOf(names)).rejects.toMatchObject(fault),
    expect(store.usedBytes()).rejects.toMatchObject(fault),
    expect(store.mark()).rejects.toMatchObject(fault),
    expect(store.setMark('a')).rejects.toMatchObject(fault),
    expect(store.removeTemporary()).rejects.toMatchObject(fault),
    expect(store.check(1)).rejects.toMatchObject(fault),
  ]);
  store.close();
});
