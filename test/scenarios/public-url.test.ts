import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type EaselOptions, type Problem, startEasel } from '../support/app/easel.ts';
import { startReceiver, TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { openAiError, picture } from '../support/openai/answers.ts';

const prompt = 'a lighthouse at dusk';
const ASYNC = { prefer: 'respond-async' };

/** A proxy that takes the prefix `/pictures` off, and the service behind it, which knows the proxy's address. */
async function startBehindProxy(options: EaselOptions = {}) {
  await using parts = new AsyncDisposableStack();
  let target = '';
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming;
    if (!url.startsWith('/pictures/')) return void outgoing.writeHead(502).end();
    const forwarded = httpRequest(target + url.slice('/pictures'.length), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  parts.defer(() => void proxy.close());
  const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const PUBLIC_URL = `${origin}/pictures/`;
  const easel = parts.use(await startEasel({ ...options, env: { PUBLIC_URL, ...options.env } }));
  target = easel.url;
  const owned = parts.move();
  return { easel, base: `${origin}/pictures`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Every text in `value` that looks like a URL of Easel or a path of one. */
function urlsIn(value: unknown): string[] {
  if (typeof value === 'string')
    return /^(https?:\/\/|\/)/.test(value) && /\/(media|images)\//.test(value) ? [value] : [];
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, part]) => (key === 'path' ? [] : urlsIn(part)))
    : [];
}

describe('with PUBLIC_URL', () => {
  it('every URL of the service is absolute, and leads through the proxy', async () => {
    await using receiver = await startReceiver();
    await using scene = await startBehindProxy({
      env: { WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' },
      // The stream's heartbeats would move the clock by hours, and the receiver refuses messages that are so far off.
      skipMs: 10_000,
    });
    const { easel, base } = scene;
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const body = { mediaId: 'x', prompt, webhookUrl: receiver.url, renditions: ['256x160.webp'] };
    const accepted = await easel.post(body, ASYNC);
    expect(accepted.headers.get('location')).toBe(`${base}/images/x`);
    await gate.reached();
    await using stream = await easel.listen('x');
    gate.open();
    const done = (await stream.rest()).find(({ event }) => event === 'done');
    await receiver.came(1);

    const record = await easel.record('x');
    expect(record.url).toBe(`${base}/media/x.png`);
    expect(record.versionedUrl).toBe(`${base}/media/x.png?v=${record.sha256?.slice(0, 12)}`);
    expect(done?.data).toEqual(JSON.parse(JSON.stringify(record)));
    expect(receiver.received[0]?.message.data).toEqual(record);
    const provenance = await (await easel.get('/images/x/provenance')).json();
    const list = await (await easel.get('/images')).json();
    for (const answer of [record, provenance, list]) {
      const urls = urlsIn(answer);
      expect(urls.length).toBeGreaterThanOrEqual(2);
      for (const url of urls) {
        expect(url.startsWith(`${base}/media/x`)).toBe(true);
        const response = await fetch(url);
        expect([response.status, (await response.arrayBuffer()).byteLength > 0]).toEqual([200, true]);
      }
    }
    expect((await fetch(accepted.headers.get('location') ?? '')).status).toBe(200);
  });

  it('a pending rendition and a retry have absolute URLs too', async () => {
    await using scene = await startBehindProxy({ env: { DEFERRED_RENDITIONS: 'avif' } });
    const { easel, base } = scene;
    easel.upstream.script(openAiError('moderation_blocked'));
    await easel.post({ mediaId: 'x', prompt, renditions: ['64x40.avif'] });
    const retried = await easel.retry('x');
    expect([retried.status, retried.headers.get('location')]).toEqual([201, `${base}/images/x`]);
    expect(retried.body.renditions).toEqual([{ url: `${base}/media/x@64x40.avif`, status: 'pending' }]);
    const made = await easel.made('x');
    expect(made.renditions[0]?.url).toBe(`${base}/media/x@64x40.avif`);
  });

  it('signed URLs of private pictures are absolute, and open the picture', async () => {
    await using scene = await startBehindProxy({ env: { MEDIA_ACCESS: 'private' } });
    const { easel, base } = scene;
    const { body } = await easel.post({ mediaId: 'x', prompt });
    for (const url of [body.url, body.versionedUrl]) {
      expect(url).toMatch(/[?&]expires=\d+&signature=/);
      expect(url?.startsWith(`${base}/media/x.png?`)).toBe(true);
      expect((await fetch(url ?? '')).status).toBe(200);
    }
    expect((await fetch(`${base}/media/x.png`)).status).toBe(403);
  });

  it('problems and the OpenAPI document name it, and the docs work below it', async () => {
    await using scene = await startBehindProxy();
    const { base } = scene;
    for (const path of ['/images/none', '/nothing', '/media/none.png', '/images/%zz']) {
      const problem = (await (await fetch(base + path)).json()) as Problem & { instance: string };
      expect(problem.instance).toBe(base + path);
    }
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as { servers: unknown };
    expect(document.servers).toEqual([{ url: base }]);
    const page = await (await fetch(`${base}/docs/`)).text();
    const scripts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => new URL(url, `${base}/docs/`));
    expect(scripts.length).toBeGreaterThan(2);
    for (const url of scripts) expect((await fetch(url)).status).toBe(200);
  });

  it('the page works below it: its references are relative', async () => {
    await using scene = await startBehindProxy();
    const { base } = scene;
    const document = await (await fetch(`${base}/`)).text();
    const files = [...document.matchAll(/\s(?:src|href)="(page\/[^"]+)"/g)].map(
      ([, path = '']) => new URL(path, `${base}/`),
    );
    expect(files.length).toBeGreaterThan(2);
    for (const url of files) {
      const file = await fetch(url);
      expect([url.href, file.status]).toEqual([url.href, 200]);
      for (const [, name = ''] of (await file.text()).matchAll(/from '([^']+)'/g)) {
        expect((await fetch(new URL(name, url))).status).toBe(200);
      }
    }
  });
});

it('without PUBLIC_URL, URLs are paths', async () => {
  await using easel = await startEasel();
  const answer = await easel.post({ mediaId: 'x', prompt });
  const { url, versionedUrl, renditions }: ImageRecord = answer.body;
  expect([answer.headers.get('location'), url]).toEqual(['/images/x', '/media/x.png']);
  for (const one of [versionedUrl, renditions[0]?.url]) expect(one).toMatch(/^\/media\/x[.@]/);
});
