import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import { createSignedLinks, type SignedLinks } from '../../../src/security/signed-links.ts';
import { exampleFile, PLAIN_URLS } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

const SECRET = 'a secret of thirty-two characters';
const clock = createTestClock();
const bytes = Buffer.from('a picture');
const file = exampleFile('a.png', bytes);
const files = [file, exampleFile('b.png', bytes)];

let links: SignedLinks;
let http: HttpApp;
const get = (url: string) => request(http.app.server).get(url);

beforeAll(async () => {
  links = createSignedLinks({ plainUrls: PLAIN_URLS, secret: SECRET, seconds: 3600, clock });
  http = await openHttpApp(async (root) => ({
    keys: testKeys(),
    links,
    pictures: await picturesIn(root, files),
  }));
  for (const { name } of files) await writeFile(join(http.root, name), bytes);
});
afterAll(() => http[Symbol.asyncDispose]());

/** The URL with one query parameter replaced. */
function changed(url: string, name: string, value: string): string {
  const [path, query] = url.split('?');
  const params = new URLSearchParams(query);
  params.set(name, value);
  return `${path}?${params}`;
}

describe('a signed URL', () => {
  test('serves its picture to everyone who has the URL, and never to a shared cache', async () => {
    const { url, versionedUrl } = links.urls.ofFile(file);
    const answer = await get(url).expect(200);
    expect(answer.headers['cache-control']).toBe('private, max-age=300, must-revalidate');
    const versioned = await get(versionedUrl).expect(200);
    expect(versioned.headers['cache-control']).toMatch(/^private, max-age=\d+, immutable$/);
    await request(http.app.server).head(url).expect(200);
    await get(url).set('If-None-Match', `"${file.sha256}"`).expect(304);
    await get(url).set('Authorization', 'Bearer unknown').expect(200);
  });

  test('lets no copy be kept beyond its expiry, and a key sets no such limit', async () => {
    const own = createTestClock();
    const expiring = createSignedLinks({ plainUrls: PLAIN_URLS, secret: SECRET, seconds: 60, clock: own });
    await using short = await openHttpApp(async (root) => ({
      keys: testKeys(),
      links: expiring,
      pictures: await picturesIn(root, files),
    }));
    await writeFile(join(short.root, 'a.png'), bytes);
    const { url, versionedUrl } = expiring.urls.ofFile(file);
    const expires = Number(new URL(url, 'http://x').searchParams.get('expires')) * 1000;
    for (const [signed, rule] of [
      [url, 'must-revalidate'],
      [versionedUrl, 'immutable'],
    ] as const) {
      const before = own.now();
      const { headers } = await request(short.app.server).get(signed).expect(200);
      const maxAge = Number(
        new RegExp(`^private, max-age=(\\d+), ${rule}$`).exec(String(headers['cache-control']))?.[1],
      );
      expect(maxAge * 1000).toBeLessThanOrEqual(expires - before);
      expect(maxAge).toBeGreaterThan(0);
    }
    const path = `/media/a.png?v=${file.sha256.slice(0, 12)}`;
    const byKey = await request(short.app.server).get(path).set(bearer('blog')).expect(200);
    expect(byKey.headers['cache-control']).toBe('private, max-age=31536000, immutable');
  });

  test.each<[string, (url: string) => string]>([
    ['without its signature', (url) => changed(url, 'signature', '')],
    ['with a later expiry', (url) => changed(url, 'expires', '99999999999')],
    ['with the same expiry written differently', (url) => url.replace('expires=', 'expires=0')],
    ['without an expiry', (url) => url.replace(/expires=\d+&/, '')],
    ['for another picture', (url) => url.replace('a.png', 'b.png')],
    ['for a picture that does not exist', (url) => url.replace('a.png', 'c.png')],
    ['for a name that no picture can have', (url) => url.replace('a.png', 'package.json')],
    ['with two signatures', (url) => `${url}&signature=x`],
    ['with a longer signature', (url) => `${url}A`],
    [
      'made with another secret',
      () =>
        createSignedLinks({ plainUrls: PLAIN_URLS, secret: `${SECRET}!`, seconds: 3600, clock }).urls.ofFile(file).url,
    ],
    [
      'of an earlier picture with that name',
      () => links.urls.ofFile(exampleFile('a.png', Buffer.from('another picture'))).url,
    ],
  ])('%s is forbidden', async (_what, change) => {
    const answer = await get(change(links.urls.ofFile(file).url)).expect(403);
    expect(problem.parse(answer.body)).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('record') });
  });

  test('that has expired is forbidden', async () => {
    const own = createTestClock();
    own.step(-3 * 3_600_000);
    await get(
      createSignedLinks({ plainUrls: PLAIN_URLS, secret: SECRET, seconds: 3600, clock: own }).urls.ofFile(file).url,
    ).expect(403);
  });
});

describe('a private picture', () => {
  test.each([
    ['no key', {}, 401],
    ['an unknown key', bearer('unknown'), 401],
    ['a key without read', bearer('maker'), 403],
    ["its owner's key", bearer('blog'), 200],
    ['another key', bearer('shop'), 404],
    ['a second key of its owner, which may only read', { authorization: 'Bearer blog-page-secret' }, 200],
    ['a key that reads all', bearer('desk'), 200],
    ['a key for metrics alone', bearer('scraper'), 403],
    ['an admin key', bearer('boss'), 200],
  ])('requested with %s: %#', async (_who, headers, status) => {
    await get('/media/a.png').set(headers).expect(status);
  });

  test('that does not exist is a 404 with a key, and a 401 without', async () => {
    await get('/media/c.png').set(bearer('blog')).expect(404);
    await get('/media/c.png').expect(401);
  });

  test('is served to a key even if the URL has expired', async () => {
    await get('/media/a.png?expires=1&signature=x').set(bearer('blog')).expect(200);
  });

  test('is served to signed URLs only where no keys are configured', async () => {
    await using keyless = await openHttpApp(async (root) => ({
      links,
      pictures: await picturesIn(root, files),
    }));
    await writeFile(join(keyless.root, 'a.png'), bytes);
    await request(keyless.app.server).get('/media/a.png').expect(403);
    await request(keyless.app.server).get(links.urls.ofFile(file).url).expect(200);
  });
});
