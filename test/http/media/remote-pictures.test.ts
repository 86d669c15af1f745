import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import type { AppConfig, AppServices } from '../../../src/http/app.ts';
import { createSignedLinks } from '../../../src/security/signed-links.ts';
import { exampleFile, PLAIN_URLS } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn, picturesOf } from '../../support/app/pictures-in.ts';
import { openS3Scene, type S3Scene } from '../../support/s3/scene.ts';
import { type S3Server, startS3Server } from '../../support/s3/server.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';
import { until } from '../../support/until.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const large = Buffer.alloc(5_000_000, 'picture');
const file = exampleFile('a.png', bytes);
const files = [file, exampleFile('large@1x1.webp', large, { format: 'webp' }), exampleFile('lost.png', bytes)];
const version = file.sha256.slice(0, 12);

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
});

afterAll(() => server[Symbol.asyncDispose]());

/** An app whose pictures are in S3. */
async function openRemote(
  config: Partial<AppConfig> = {},
  services: Partial<AppServices> = {},
): Promise<S3Scene & { readonly http: HttpApp; readonly get: (url: string) => request.Test }> {
  const scene = await openS3Scene(server);
  await scene.store.put('a.png', bytes);
  await scene.store.put('large@1x1.webp', large);
  scene.asked();
  const http = await openHttpApp({ pictures: picturesOf(scene.store, files), ...services }, config);
  return {
    ...scene,
    http,
    get: (url) => request(http.app.server).get(url),
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await scene[Symbol.asyncDispose]();
    },
  };
}

describe('a picture in S3 that is streamed', () => {
  const etag = `"${file.sha256}"`;
  const requests: readonly (readonly [string, 'GET' | 'HEAD', string, Record<string, string>, readonly string[]])[] = [
    ['whole', 'GET', 'a.png', {}, ['GET a.png']],
    ['whole and large', 'GET', 'large@1x1.webp', {}, ['GET large@1x1.webp']],
    ['by HEAD', 'HEAD', 'a.png', {}, ['GET a.png']],
    ['by HEAD, and large', 'HEAD', 'large@1x1.webp', {}, ['GET large@1x1.webp']],
    ['with its version', 'GET', `a.png?v=${version}`, {}, ['GET a.png']],
    ['when it is another', 'GET', 'a.png', { 'If-None-Match': '"x"' }, ['GET a.png']],
    ['when it is the same', 'GET', 'a.png', { 'If-None-Match': etag }, []],
    ['by HEAD when it is the same', 'HEAD', 'a.png', { 'If-None-Match': '*' }, []],
    ['when it is no other', 'GET', 'a.png', { 'If-Match': '"x"' }, []],
    ['in part', 'GET', 'a.png', { Range: 'bytes=10-19' }, ['GET a.png']],
    ['from its middle', 'GET', 'a.png', { Range: 'bytes=500-' }, ['GET a.png']],
    ['at its end', 'GET', 'a.png', { Range: 'bytes=-10' }, ['GET a.png']],
    ['in part when it is the same', 'GET', 'a.png', { Range: 'bytes=10-19', 'If-Range': etag }, ['GET a.png']],
    ['from beyond its end', 'GET', 'a.png', { Range: 'bytes=1000-' }, []],
    ['in several parts', 'GET', 'a.png', { Range: 'bytes=0-1,5-6' }, ['GET a.png']],
    ['and is missing', 'GET', 'lost.png', {}, ['GET lost.png']],
    ['by HEAD and is missing', 'HEAD', 'lost.png', {}, ['GET lost.png']],
    ['and never was', 'GET', 'none.png', {}, []],
  ];
  const OF_EACH_ANSWER = ['date', 'x-request-id', 'keep-alive', 'connection'];

  test('has the same answers as one on a disk, for one request to S3', async () => {
    await using remote = await openRemote({ mediaCacheBytes: 0 });
    await using disk = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, files) }), {
      mediaCacheBytes: 0,
    });
    for (const { name } of files.slice(0, 2)) await writeFile(join(disk.root, name), name === 'a.png' ? bytes : large);
    for (const [what, method, path, headers, asked] of requests) {
      const [fromS3, fromDisk] = await Promise.all(
        [remote.http, disk].map(async ({ port }) => {
          const answer = await fetch(`http://127.0.0.1:${port}/media/${path}`, { method, headers });
          const content = Buffer.from(await answer.arrayBuffer());
          const kept = [...answer.headers].filter(([name]) => !OF_EACH_ANSWER.includes(name));
          const body = answer.ok ? sha256(content) : content.toString().replace(/"requestId":"[^"]*"/, '');
          return { status: answer.status, headers: kept, body };
        }),
      );
      expect(fromS3, what).toEqual(fromDisk);
      expect(remote.asked(), what).toEqual(asked);
    }
  });

  test('is asked for once while it is popular', async () => {
    await using remote = await openRemote({ mediaCacheBytes: 100_000_000 });
    for (let asked = 0; asked < 6; asked++) {
      const answer = await remote.get('/media/large@1x1.webp').responseType('blob').expect(200);
      expect(Buffer.compare(answer.body, large)).toBe(0);
    }
    await request(remote.http.app.server).head('/media/large@1x1.webp').expect(200);
    // At the first request it is sent, at the second one it is read into the memory.
    expect(remote.asked()).toEqual(['GET large@1x1.webp', 'GET large@1x1.webp']);
  });

  test('ends the connection to S3 when the client leaves', async () => {
    await using remote = await openRemote({ mediaCacheBytes: 0 });
    const held = Promise.withResolvers<void>();
    remote.proxy.fault = () => ({ kind: 'stall', bytes: 1_000_000, until: held.promise });
    const { open } = remote.proxy.connections();
    const leaving = await fetch(`http://127.0.0.1:${remote.http.port}/media/large@1x1.webp`);
    await leaving.body?.cancel();
    await until(() => remote.proxy.connections().open <= open);
    held.resolve();
  });

  test('never looks whole to a client when S3 breaks off', async () => {
    await using remote = await openRemote({ mediaCacheBytes: 0 });
    remote.proxy.fault = () => ({ kind: 'cut-answer', bytes: 1_000_000 });
    const answer = await fetch(`http://127.0.0.1:${remote.http.port}/media/large@1x1.webp`);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  test('that cannot be read is a 503 that names no bucket', async () => {
    await using remote = await openRemote({ mediaCacheBytes: 0 });
    remote.proxy.fault = () => ({ kind: 'refuse', status: 403, code: 'ExpiredToken' });
    const answer = await remote.get('/media/a.png').expect(503);
    expect(answer.body).toMatchObject({ code: 'storage_unavailable' });
    expect(answer.text).not.toContain(remote.place.bucket);
    expect(JSON.stringify(remote.http.log)).toContain('have expired; renew them');
  });
});

describe('a picture in S3 to which clients are redirected', () => {
  test('comes from the bucket, with its type and caching, and is not asked for by us', async () => {
    await using remote = await openRemote({ mediaDelivery: 'redirect' });
    const answer = await remote.get(`/media/a.png?v=${version}`).expect(302);
    expect(answer.headers['cache-control']).toBe('private, max-age=300');
    expect(answer.headers.etag).toBeUndefined();
    expect(remote.asked()).toEqual([]);
    const url = new URL(String(answer.headers.location));
    expect(Number(url.searchParams.get('X-Amz-Expires'))).toBeGreaterThan(300);
    expect(url.searchParams.get('response-content-type')).toBe('image/png');
    expect(url.searchParams.get('response-cache-control')).toBe('public, max-age=31536000, immutable');
    const origin = `http://127.0.0.1:${remote.http.port}`;
    expect(Buffer.from(await (await fetch(`${origin}/media/a.png`)).arrayBuffer())).toEqual(bytes);
    const part = await fetch(`${origin}/media/a.png`, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(10, 20)]);
    const head = await fetch(`${origin}/media/a.png`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000']);
    expect(remote.asked()).toEqual(['GET a.png', 'GET a.png', 'HEAD a.png']);
  });

  test('is still checked first: conditions, ranges and whether it is published', async () => {
    await using remote = await openRemote({ mediaDelivery: 'redirect' });
    const same = await remote.get('/media/a.png').set('If-None-Match', `"${file.sha256}"`).expect(304);
    expect(same.headers.location).toBeUndefined();
    await remote.get('/media/a.png').set('If-Match', '"x"').expect(412);
    await remote.get('/media/a.png').set('Range', 'bytes=1000-').expect(416);
    await remote.get('/media/none.png').expect(404);
    await remote.get('/media/..%2Fa.png').expect(404);
    expect(remote.asked()).toEqual([]);
  });

  test('is given only to those who may see it', async () => {
    const clock = createTestClock();
    const links = createSignedLinks({
      plainUrls: PLAIN_URLS,
      secret: 'a secret of thirty-two characters',
      seconds: 3600,
      clock,
    });
    await using remote = await openRemote({ mediaDelivery: 'redirect' }, { keys: testKeys(), links });
    for (const url of ['/media/a.png', '/media/a.png?expires=9999999999&signature=x']) {
      const refused = await remote.get(url);
      expect([401, 403]).toContain(refused.status);
      expect(refused.headers.location).toBeUndefined();
    }
    const answer = await remote.get(links.urls.ofFile(file).url).expect(302);
    const url = new URL(String(answer.headers.location));
    expect(url.searchParams.get('response-cache-control')).toBe('private, max-age=300, must-revalidate');
    expect((await fetch(url)).status).toBe(200);
    await remote.get('/media/a.png').set(bearer('blog')).expect(302);
    // Neither the redirect nor the URL of the store outlives the signed URL.
    const late = links.urls.ofFile(file).versionedUrl;
    const expires = Number(new URL(late, 'http://x').searchParams.get('expires')) * 1000;
    clock.advance(expires - clock.now() - 200_000);
    const { headers } = await remote.get(late).expect(302);
    const target = new URL(String(headers.location));
    const maxAges = [headers['cache-control'], target.searchParams.get('response-cache-control')].map((text) =>
      Number(/max-age=(\d+)/.exec(String(text))?.[1]),
    );
    for (const seconds of [...maxAges, Number(target.searchParams.get('X-Amz-Expires'))]) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(200);
    }
  });

  test('is streamed where the store has no URLs to give', async () => {
    await using disk = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, files) }), {
      mediaDelivery: 'redirect',
    });
    await writeFile(join(disk.root, 'a.png'), bytes);
    await request(disk.app.server).get('/media/a.png').expect(200);
  });
});
