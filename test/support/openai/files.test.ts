import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { answer, forKey, htmlPage, picture, redirected } from './answers.ts';
import { type OpenAiServer, startOpenAiServer } from './server.ts';

let server: OpenAiServer;
beforeAll(async () => {
  server = await startOpenAiServer();
});
afterAll(() => server.close());
beforeEach(() => server.reset());

/** Asks for a picture. */
const call = () =>
  fetch(`${server.baseUrl}/images/generations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-image-2', prompt: 'a lighthouse' }),
  });

interface Plain {
  readonly data: readonly [{ readonly url: string; readonly b64_json: string }];
}
const firstOf = async (response: Response) => ((await response.json()) as Plain).data[0];
const file = answer({ body: 'the file', type: 'image/png' });

test('a picture can come as its bytes, in lines of JSON, as a data: URL or under a path, and is the same each time', async () => {
  const expected = Buffer.from((await firstOf(await call())).b64_json, 'base64');
  const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

  server.script(
    picture({ as: 'body' }),
    picture({ as: 'lines' }),
    picture({ as: 'data_url' }),
    picture({ as: 'path' }),
  );
  const body = await call();
  expect([body.headers.get('content-type'), await bytesOf(body)]).toEqual(['image/png', expected]);

  const lines = await call();
  expect(lines.headers.get('content-type')).toBe('application/x-ndjson');
  const values = (await lines.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Partial<Plain>);
  expect(values.map(({ data }) => data?.length)).toEqual([undefined, undefined, 1]);
  expect(Buffer.from(values[2]?.data?.[0].b64_json ?? '', 'base64')).toEqual(expected);

  expect(await bytesOf(await fetch((await firstOf(await call())).url))).toEqual(expected);
  const { url } = await firstOf(await call());
  expect(url).toMatch(/^\/files\/\d+\.png$/);
  expect(await bytesOf(await fetch(server.origin + url))).toEqual(expected);
});

test('a file can fail at first, each time in another way, and then stay', async () => {
  server.script(picture({ as: 'url', file, fileFirst: [htmlPage(404), htmlPage(503)] }));
  const { url } = await firstOf(await call());
  const statuses = [];
  for (let time = 0; time < 4; time += 1) statuses.push((await fetch(url)).status);
  expect(statuses).toEqual([404, 503, 200, 200]);
});

test('a file can be reached over redirects', async () => {
  server.script(picture({ as: 'url', file: redirected(2, file) }));
  const response = await fetch((await firstOf(await call())).url);
  expect([await response.text(), server.otherCalls.map(({ status }) => status)]).toEqual(['the file', [302, 302, 200]]);
});

test.each([401, 403] as const)('a file can be given for a key alone: %d without', async (status) => {
  server.script(picture({ as: 'url', file: forKey('k', file, status) }));
  const { url } = await firstOf(await call());
  const asked: Record<string, string>[] = [
    {},
    { authorization: 'Bearer x' },
    { authorization: 'Bearer k' },
    { 'api-key': 'k' },
  ];
  const statuses = [];
  for (const headers of asked) statuses.push((await fetch(url, { headers })).status);
  expect(statuses).toEqual([status, status, 200, 200]);
});
