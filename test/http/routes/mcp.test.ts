import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { codeOf, connectAgent, ERAS, partsOf, textOf } from '../../support/mcp.ts';
import { openAiError } from '../../support/openai/answers.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { bearer, TEST_KEYS } from '../../support/test-keys.ts';

const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

function post(easel: Pick<Easel, 'url'>, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return fetch(`${easel.url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(body),
  });
}

describe('keys', () => {
  let easel: Easel;
  beforeAll(async () => {
    easel = await startEasel({ skipMs: 0, env: { API_KEYS: TEST_KEYS, MEDIA_ACCESS: 'private' } });
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  test('are needed, known, and challenged for', async () => {
    for (const headers of [{}, bearer('nobody')]) {
      const answer = await post(easel, LIST, headers);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer realm="easel"');
      expect(await answer.json()).toMatchObject({ code: 'unauthorized' });
    }
  });

  test.each(ERAS)('of any scope connect and list the tools in %s, without one 401', async (era) => {
    for (const headers of [bearer('scraper'), bearer('viewer'), { 'x-api-key': 'maker-secret' }]) {
      await using agent = await connectAgent(easel.url, era, headers);
      expect((await agent.client.listTools()).tools).toHaveLength(7);
      expect(agent.statuses.filter((status) => status === 401 || status === 403)).toEqual([]);
    }
  });

  test('without the scope of a tool make its call fail as forbidden', async () => {
    await using viewer = await connectAgent(easel.url, '2026-07-28', bearer('viewer'));
    await using maker = await connectAgent(easel.url, '2025-11-25', bearer('maker'));

    for (const [name, args] of [
      ['generate_image', { prompt: 'a boat' }],
      ['edit_image', { prompt: 'a boat', inputs: [{ mediaId: 'none' }] }],
      ['preview_image', { prompt: 'a boat' }],
      ['delete_image', { mediaId: 'none' }],
    ] as const) {
      const refused = await viewer.call(name, args);
      expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'forbidden', status: 403 } });
      expect(textOf(refused)).toContain('forbidden: the API key viewer lacks the scope generate');
    }
    for (const [name, args] of [
      ['get_image', { mediaId: 'none' }],
      ['list_images', {}],
      ['list_presets', {}],
    ] as const) {
      expect(await maker.call(name, args)).toMatchObject({ isError: true, structuredContent: { code: 'forbidden' } });
      expect(codeOf(await viewer.call(name, args)) ?? 'ok').toMatch(/ok|not_found/);
    }
    expect(easel.upstream.calls).toHaveLength(0);
  });

  test.each(ERAS)('that may make pictures and read none get what they make all the same in %s', async (era) => {
    await using maker = await connectAgent(easel.url, era, bearer('maker'));
    const data = `data:image/png;base64,${(await texturedPicture({ width: 1024, height: 1024 })).toString('base64')}`;

    const calls = easel.upstream.calls.length;
    for (const [name, args] of [
      ['generate_image', { prompt: 'a boat', preset: 'icon' }],
      ['edit_image', { mediaId: `edit-${era}`, prompt: 'a boat', inputs: [{ data }] }],
    ] as const) {
      const made = await maker.call(name, args);
      expect(made.content.map(({ type }) => type)).toEqual(['image', 'resource_link', 'text']);
    }
    easel.upstream.script(openAiError('moderation_blocked'));
    const refused = await maker.call('generate_image', { prompt: 'what is refused' });
    expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'prompt_rejected' } });
    expect(easel.upstream.calls).toHaveLength(calls + 3);
  });

  test('own what they make; the link to a private picture is signed, and the small one comes with it', async () => {
    await using blog = await connectAgent(easel.url, '2026-07-28', bearer('blog'));
    await using shop = await connectAgent(easel.url, '2026-07-28', bearer('shop'));

    const made = await blog.call('generate_image', { mediaId: 'of-blog', prompt: 'a boat' });
    expect(partsOf(made, 'image')).toHaveLength(1);
    const [link] = partsOf(made, 'resource_link');
    expect((await fetch(link?.uri ?? '')).status).toBe(200);
    expect((await fetch(new URL('/media/of-blog.png', easel.url))).status).not.toBe(200);

    expect(await shop.call('get_image', { mediaId: 'of-blog' })).toMatchObject({
      structuredContent: { code: 'not_found' },
    });
    expect((await shop.call('list_images')).structuredContent).toEqual({ items: [], nextCursor: null });
  });
});

describe('limits', () => {
  test('are those of HTTP: only generate and edit take a token, each address its own', async () => {
    await using easel = await startEasel({ skipMs: 0, env: { RATE_LIMIT_PER_MINUTE: '1', TRUST_PROXY: 'true' } });
    await using one = await connectAgent(easel.url, '2026-07-28', { 'x-forwarded-for': '203.0.113.1' });
    // What only this process may say of a caller.
    const claimed = { 'x-forwarded-for': '203.0.113.2', 'x-easel-caller-address': '203.0.113.1' };
    await using other = await connectAgent(easel.url, '2025-11-25', claimed);

    await one.client.listTools();
    await one.call('preview_image', { prompt: 'a boat' });
    await one.call('list_images');
    expect((await one.call('generate_image', { prompt: 'a boat' })).isError).toBeFalsy();
    await one.call('preview_image', { prompt: 'a boat' });
    const limited = await one.call('generate_image', { prompt: 'a boat' });
    expect(limited).toMatchObject({ isError: true, structuredContent: { code: 'rate_limited', status: 429 } });
    expect(limited.structuredContent).toMatchObject({ retryAfter: expect.any(Number) });
    expect(codeOf(await one.call('get_image', { mediaId: 'none' }))).toBe('not_found');

    expect((await other.call('generate_image', { prompt: 'a boat' })).isError).toBeFalsy();
    const direct = { mediaId: 'direct', prompt: 'a boat' };
    expect((await easel.post(direct, claimed)).status).toBe(429);
    expect((await easel.post(direct, { 'x-easel-caller-address': '203.0.113.1' })).status).toBe(201);
  });

  test('of other requests count what the protocol itself asks, and each call of a tool once', async () => {
    await using easel = await startEasel({ skipMs: 0, env: { RATE_LIMIT_READ_PER_MINUTE: '2' } });
    const call = { ...LIST, method: 'tools/call', params: { name: 'list_images', arguments: {} } };

    expect((await post(easel, LIST)).status).toBe(200);
    expect(await (await post(easel, call)).text()).toContain('"nextCursor":null');
    expect(await (await post(easel, call)).text()).toContain('"code":"rate_limited"');
    expect((await post(easel, LIST)).status).toBe(429);
  });
});

describe('the route', () => {
  let easel: Easel;
  beforeAll(async () => {
    const env = { PUBLIC_URL: 'https://pictures.example/easel', CORS_ORIGINS: 'https://desk.example' };
    easel = await startEasel({ skipMs: 0, env });
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  test('takes POST alone', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const answer = await fetch(`${easel.url}/mcp`, { method, headers: { accept: 'text/event-stream' } });
      expect({ method, status: answer.status }).toEqual({ method, status: 405 });
      expect(answer.headers.get('allow')).toContain('POST');
    }
  });

  test('refuses web pages of foreign origins, one that pretends to be its host among them', async () => {
    const { host, port } = new URL(easel.url);
    const own = [`http://${host}`, 'https://pictures.example', 'https://desk.example'];
    for (const origin of own)
      expect({ origin, status: (await post(easel, LIST, { origin })).status }).toEqual({ origin, status: 200 });
    const foreign = [
      'https://evil.example',
      'null',
      `https://${host}`,
      'http://localhost:1',
      'https://pictures.example.evil',
    ];
    for (const origin of foreign) {
      const answer = await post(easel, LIST, { origin });
      expect({ origin, status: answer.status }).toEqual({ origin, status: 403 });
      expect(await answer.json()).toMatchObject({ code: 'forbidden' });
    }
    // fetch sets its own Host; a browser's page with a name of its own for this address sends that name.
    const name = `evil.example:${port}`;
    const rebound = request(`${easel.url}/mcp`, {
      method: 'POST',
      headers: { host: name, origin: `http://${name}` },
    }).end();
    const [response] = (await once(rebound, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(403);
  });

  test('refuses a Host that is none, without a fault', async () => {
    await using bare = await startEasel({ skipMs: 0 });
    for (const host of ['a b', 'easel.example:99999', 'easel.example/images', 'easel.example?', 'user@easel.example']) {
      const headers = { host, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const asked = request(`${bare.url}/mcp`, { method: 'POST', headers }).end(JSON.stringify(LIST));
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      const problem = JSON.parse((await response.setEncoding('utf8').toArray()).join(''));
      expect({ host, problem }).toMatchObject({
        host,
        problem: { code: 'invalid_request', errors: [{ path: 'host' }] },
      });
    }
  });

  test('gives links below PUBLIC_URL, and finds the small picture all the same', async () => {
    await using agent = await connectAgent(easel.url, '2025-11-25');
    const answer = await agent.call('generate_image', { mediaId: 'linked', prompt: 'a boat' });
    expect(partsOf(answer, 'resource_link')[0]?.uri).toBe('https://pictures.example/easel/media/linked.png');
    expect(partsOf(answer, 'image')).toHaveLength(1);
  });

  test('reads pictures of many megabytes, and nothing else of that size', async () => {
    const bytes = await texturedPicture({ width: 1500, height: 1500, tile: 1 });
    expect(bytes.length).toBeGreaterThan(3_000_000);
    const data = `data:image/png;base64,${bytes.toString('base64')}`;
    await using agent = await connectAgent(easel.url, '2026-07-28');
    const args = { prompt: 'at night', size: '1024x1024', inputs: [{ data }] };
    expect((await agent.call('edit_image', args)).isError).toBeFalsy();
    expect(easel.upstream.calls.at(-1)?.files[0]?.bytes.equals(bytes)).toBe(true);

    const call = {
      ...LIST,
      method: 'tools/call',
      params: { name: 'generate_image', arguments: { prompt: 'a'.repeat(2 ** 21) } },
    };
    const refused = await post(easel, call);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: 'payload_too_large' });
  });

  test('is one route in the log and the metrics, beside those that its tools call', async () => {
    await using agent = await connectAgent(easel.url, '2025-11-25');
    await agent.call('list_presets');
    expect(easel.log.some((line) => line.includes('"route":"/mcp"'))).toBe(true);
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toMatch(/easel_http_request_duration_seconds_count\{method="POST",route="\/mcp",status="200"\}/);
    expect(metrics).toMatch(/easel_http_request_duration_seconds_count\{method="GET",route="\/presets",status="200"\}/);
  });

  test('is not there where nothing but health and metrics is answered', async () => {
    const answer = async () => Response.json({});
    await using worker = await openHttpApp({ mcp: answer }, { answersCallers: false });
    await using other = await openHttpApp({ mcp: answer });
    expect((await post({ url: `http://127.0.0.1:${worker.port}` }, LIST)).status).toBe(404);
    expect((await post({ url: `http://127.0.0.1:${other.port}` }, LIST)).status).toBe(200);
  });
});
