import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import type { UsageReport } from '../../src/core/money/usage.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { answer, htmlPage, picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const withKeys = { API_KEYS: TEST_KEYS };
const prompt = 'a lighthouse at dusk';
const make = (easel: Easel, name: string, mediaId: string, headers: Record<string, string> = {}) =>
  easel.post({ mediaId, prompt }, { ...bearer(name), ...headers });

async function statusOf(easel: Easel, path: string | null, headers: Record<string, string> = {}): Promise<number> {
  const response = await easel.get(path ?? '', headers);
  // An unread body would keep the service from closing.
  await response.arrayBuffer();
  return response.status;
}

describe('an image', () => {
  it('is a 404 for every other key but an admin’s, and its mediaId is a conflict', async () => {
    await using easel = await startEasel({ env: withKeys });
    expect((await make(easel, 'blog', 'hero')).status).toBe(201);

    const routes = [
      ['GET', '/images/hero'],
      ['GET', '/images/hero/events'],
      ['GET', '/images/hero/provenance'],
      ['POST', '/images/hero/cancel'],
      ['PATCH', '/images/hero'],
      ['DELETE', '/images/hero'],
    ] as const;
    const ask = (method: string, path: string, name: string) =>
      fetch(`${easel.url}${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...bearer(name) },
        ...(method === 'PATCH' && { body: '{}' }),
      });
    for (const [method, path] of routes) expect((await ask(method, path, 'shop')).status).toBe(404);

    const ids = async (name: string) => {
      const page = (await (await easel.get('/images', bearer(name))).json()) as { items: ImageRecord[] };
      return page.items.map(({ mediaId }) => mediaId);
    };
    expect(await ids('shop')).toEqual([]);
    expect(await ids('blog')).toEqual(['hero']);
    expect(await ids('boss')).toEqual(['hero']);

    // Whatever the request, it is a conflict that reveals nothing about the image, even to an admin.
    for (const name of ['shop', 'boss']) {
      const same = await make(easel, name, 'hero');
      const other = await easel.post({ mediaId: 'hero', prompt: 'another' }, bearer(name));
      for (const { status, body } of [same, other]) {
        expect([status, body.code]).toEqual([409, 'media_id_conflict']);
        expect(body.errors).toEqual([{ path: 'mediaId', message: 'already in use' }]);
      }
      expect(same.body.detail).toBe(other.body.detail);
    }
    expect((await make(easel, 'blog', 'hero')).status).toBe(200);
    expect(easel.upstream.calls).toHaveLength(1);
    expect((await ask('DELETE', '/images/hero', 'boss')).status).toBe(204);
  });

  it('belongs to the name of its key: every key of that name may do with it what its own scopes allow', async () => {
    await using easel = await startEasel({ env: withKeys });
    expect((await make(easel, 'blog', 'hero')).status).toBe(201);
    const page = { authorization: 'Bearer blog-page-secret' };
    expect(await statusOf(easel, '/images/hero', page)).toBe(200);
    expect((await easel.post({ mediaId: 'other', prompt }, page)).body.code).toBe('forbidden');
  });

  it('is shown to keys that read all, its deliveries and cost too, and changed by none of them', async () => {
    await using easel = await startEasel({ env: withKeys });
    expect((await make(easel, 'blog', 'hero')).status).toBe(201);
    const views = ['', '/events', '/provenance', '/preview', '/deliveries'].map((rest) => `/images/hero${rest}`);
    for (const name of ['desk', 'editor']) {
      for (const path of views) expect([path, await statusOf(easel, path, bearer(name))]).toEqual([path, 200]);
      const list = await (await easel.get('/images', bearer(name))).json();
      expect(list).toMatchObject({ items: [{ mediaId: 'hero' }] });
      const { days } = (await (await easel.get('/usage', bearer(name))).json()) as UsageReport;
      expect(days.filter(({ key }) => key !== null)).toMatchObject([{ key: 'blog', images: 1 }]);
    }

    const changes = [
      ['DELETE', '/images/hero'],
      ...['cancel', 'retry', 'deliveries/x/redeliver'].map((rest) => ['POST', `/images/hero/${rest}`] as const),
    ] as const;
    for (const [method, path] of changes) {
      const change = (name: string) => fetch(`${easel.url}${path}`, { method, headers: bearer(name) });
      expect((await change('desk')).status).toBe(403);
      const refused = await change('editor');
      expect(await refused.json()).toMatchObject({
        status: 404,
        code: 'not_found',
        detail: expect.stringContaining("changing another key's image takes the scope admin"),
      });
    }
    expect(await statusOf(easel, '/images/hero', bearer('blog'))).toBe(200);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is found by its Idempotency-Key for its own API key only', async () => {
    await using easel = await startEasel({ env: withKeys });
    const post = (name: string, text = prompt) =>
      easel.post({ prompt: text }, { ...bearer(name), 'idempotency-key': 'order-42' });
    const [first, other] = [await post('blog'), await post('shop', 'something else')];
    expect([first.status, other.status]).toEqual([201, 201]);
    const again = await post('blog');
    expect([again.status, again.body.mediaId]).toEqual([200, first.body.mediaId]);
    expect((await post('blog', 'something else')).body.code).toBe('idempotency_key_reused');
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('made while no keys were configured is visible to admins only', async () => {
    await using folder = await temporaryFolder();
    await using before = await startEasel({ folder: folder.path });
    await before.post({ mediaId: 'old', prompt });
    await before[Symbol.asyncDispose]();
    await using easel = await startEasel({ folder: folder.path, env: withKeys });
    expect(await statusOf(easel, '/images/old', bearer('blog'))).toBe(404);
    expect(await statusOf(easel, '/images/old', bearer('boss'))).toBe(200);
  });
});

describe('private media', () => {
  it('is served to its key and to the signed URLs in the record, over a restart, and to no one else', async () => {
    await using folder = await temporaryFolder();
    const env = { ...withKeys, MEDIA_ACCESS: 'private' };
    await using first = await startEasel({ folder: folder.path, env });
    const { body } = await make(first, 'blog', 'hero');
    const urls = [
      body.url,
      body.versionedUrl,
      ...body.renditions.flatMap((file) => ('versionedUrl' in file ? [file.url, file.versionedUrl] : [])),
    ];
    expect(urls).toHaveLength(4);
    for (const url of urls) expect(await statusOf(first, url)).toBe(200);
    expect(await statusOf(first, '/media/hero.png')).toBe(401);
    expect(await statusOf(first, '/media/hero.png', bearer('shop'))).toBe(404);
    expect(await statusOf(first, '/media/hero.png', bearer('blog'))).toBe(200);
    await first[Symbol.asyncDispose]();

    const secret = join(folder.path, 'media-url-secret');
    expect((await stat(secret)).mode & 0o777).toBe(0o600);
    await using second = await startEasel({ folder: folder.path, env });
    expect(await statusOf(second, body.url)).toBe(200);
    await second[Symbol.asyncDispose]();

    await using third = await startEasel({
      folder: folder.path,
      env: { ...env, MEDIA_URL_SECRET: `${await readFile(secret, 'utf8')}, but another` },
    });
    expect(await statusOf(third, body.url)).toBe(403);
  });

  it('has its signed URL in events, provenance and lists as well', async () => {
    await using easel = await startEasel({ env: { ...withKeys, MEDIA_ACCESS: 'private' } });
    await make(easel, 'blog', 'hero');
    for (const path of ['/images/hero/events', '/images/hero/provenance', '/images', '/images/hero']) {
      const text = await (await easel.get(path, bearer('blog'))).text();
      const url = /"url":"(\/media\/hero\.png\?[^"]+)"/.exec(text)?.[1];
      expect(await statusOf(easel, url ?? path)).toBe(200);
    }
  });

  it('is not served to an old URL after the picture is deleted and another key uses its mediaId', async () => {
    await using easel = await startEasel({ env: { ...withKeys, MEDIA_ACCESS: 'private' } });
    const { body } = await make(easel, 'blog', 'hero');
    await fetch(`${easel.url}/images/hero`, { method: 'DELETE', headers: bearer('blog') });
    expect(await statusOf(easel, body.url)).toBe(403);
    const other = await easel.post({ mediaId: 'hero', prompt: 'a secret of the shop' }, bearer('shop'));
    expect(other.status).toBe(201);
    expect(await statusOf(easel, body.url)).toBe(403);
    expect(await statusOf(easel, other.body.url)).toBe(200);
  });
});

describe('a picture that the provider answers as a URL', () => {
  /** A server that is not the provider's, with a picture that must not be fetched. */
  async function otherServer() {
    const bytes = await texturedPicture({ width: 1024, height: 1024 });
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      host: `127.0.0.1:${port}`,
      requests: () => requests,
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
    };
  }

  it('is fetched from the provider’s own host', async () => {
    await using easel = await startEasel();
    easel.upstream.always(picture({ as: 'url' }));
    expect((await easel.post({ prompt })).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is not fetched from a host that is not public, and counts as an answer without a picture that may be billed', async () => {
    await using server = await otherServer();
    await using easel = await startEasel();
    easel.upstream.always(picture({ url: `http://${server.host}/a.png` }));
    const { status, body } = await easel.post({ mediaId: 'a', prompt });
    expect([status, body.code]).toEqual([502, 'provider_failed']);
    const { attempts } = await easel.record('a');
    expect(attempts.map(({ outcome, httpStatus }) => [outcome, httpStatus])).toEqual([
      ['unknown', 200],
      ['unknown', 200],
    ]);
    expect(server.requests()).toBe(0);
  });

  it.each([
    ['an error', htmlPage(502)],
    ['a redirect to nothing', answer({ status: 302, headers: { location: '/elsewhere.png' }, body: 'moved' })],
  ])(
    'is tried for again while the URL gives %s, and counts as an answer without a picture in the end',
    async (_what, file) => {
      await using easel = await startEasel();
      easel.upstream.always(picture({ as: 'url', file }));
      expect((await easel.post({ mediaId: 'a', prompt })).body.code).toBe('provider_failed');
      expect((await easel.record('a')).attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'unknown']);
      expect(easel.upstream.calls).toHaveLength(2);
      expect(easel.upstream.otherCalls.filter(({ operation }) => operation === 'file').length).toBeGreaterThan(10);
    },
  );

  it('is fetched from a host in FETCH_ALLOW_HOSTS', async () => {
    await using server = await otherServer();
    await using easel = await startEasel({ env: { FETCH_ALLOW_HOSTS: `hooks.internal, ${server.host}` } });
    easel.upstream.always(picture({ url: `http://${server.host}/a.png` }));
    expect((await easel.post({ prompt })).status).toBe(201);
    expect(server.requests()).toBe(1);
  });
});

it('API_KEYS_FILE is reloaded without a restart: new keys are accepted, removed ones refused', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'keys');
  await writeFile(file, 'blog:blog-secret:read');
  await using easel = await startEasel({ env: { API_KEYS_FILE: file } });
  const status = (name: string) => statusOf(easel, '/images', bearer(name));
  expect([await status('blog'), await status('shop')]).toEqual([200, 401]);
  await writeFile(file, 'shop:shop-secret:read');
  easel.services.reloadKeys();
  expect([await status('blog'), await status('shop')]).toEqual([401, 200]);
});
