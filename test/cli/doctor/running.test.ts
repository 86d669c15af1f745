/** `easel doctor --url`: a running service, as its callers see it. */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '../../../src/composition/checkup/finding.ts';
import { VERSION } from '../../../src/composition/version.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { TEST_KEYS } from '../../support/test-keys.ts';
import { callEasel } from '../call-easel.ts';

let easel: Easel;
beforeAll(async () => {
  easel = await startEasel({ env: { API_KEYS: TEST_KEYS }, skipMs: 0 });
});
afterAll(async () => await easel[Symbol.asyncDispose]());

async function doctor(url: string, key = 'blog-secret') {
  const { code, stdout } = await callEasel(easel.folder, ['doctor', '--url', url, '--json'], { EASEL_API_KEY: key });
  const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
  const of = (subject: string) => {
    const found = findings.find((finding) => finding.subject === subject);
    return [found?.verdict, found?.detail];
  };
  return { code, findings, of };
}

it('looks at health, version, key, models, clock and what is between, without a call', async () => {
  const { code, findings, of } = await doctor(easel.url);
  expect(findings.filter(({ verdict }) => verdict === 'fails')).toEqual([]);
  expect(code).toBe(0);
  expect(findings.map(({ subject }) => subject)).toEqual([
    'service',
    'storage',
    'database',
    'queue',
    'providers',
    'key',
    'models',
    'clock',
    'proxy',
  ]);
  // The service of this test bears another version.
  expect(of('service')).toEqual([
    'warning',
    expect.stringContaining(`is Easel test, up for 0 s; this command is ${VERSION}`),
  ]);
  expect(of('key')).toEqual(['ok', 'blog may generate, read']);
  expect(of('proxy')).toEqual(['ok', expect.stringContaining('event streams get through')]);
  expect(easel.upstream.calls).toEqual([]);
});

it('says what a key may not do, and fails where it is refused', async () => {
  expect((await doctor(easel.url, 'viewer-secret')).of('key')).toEqual([
    'warning',
    expect.stringMatching(/^viewer may read, but not generate; set EASEL_API_KEY/),
  ]);
  const refused = await doctor(easel.url, 'wrong');
  expect([refused.code, refused.of('key')]).toEqual([1, ['fails', expect.stringContaining('set EASEL_API_KEY')]]);
});

it('fails where there is no service, or something else', async () => {
  await using other = await serve((_request, answer) => void answer.end('<p>It works!</p>'));
  const found = await doctor(other.url);
  expect([found.code, found.of('service')]).toEqual([
    1,
    ['fails', expect.stringMatching(/not as Easel does; correct --url or EASEL_URL/)],
  ]);
  await other[Symbol.asyncDispose]();
  const away = await doctor(other.url);
  expect([away.code, away.of('service')]).toEqual([
    1,
    ['fails', expect.stringMatching(/cannot be reached: .*start the service/)],
  ]);
});

it('finds a proxy that refuses large bodies', async () => {
  await using proxy = await serve(async (request, answer) => {
    if (Number(request.headers['content-length']) > 1024 * 1024) {
      answer
        .writeHead(413, { 'content-type': 'text/html', connection: 'close' })
        .end('<h1>413 Request Entity Too Large</h1>');
      return;
    }
    const headers = { authorization: request.headers.authorization ?? '', accept: request.headers.accept ?? '' };
    const passed = await fetch(new URL(request.url ?? '', easel.url), { headers });
    answer.writeHead(passed.status, Object.fromEntries(passed.headers));
    for await (const chunk of passed.body ?? []) answer.write(chunk);
    answer.end();
  });
  const { code, of } = await doctor(proxy.url);
  expect([code, of('proxy')]).toEqual([
    0,
    ['warning', expect.stringMatching(/refuses bodies of 2 MiB .*client_max_body_size/)],
  ]);
});

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
