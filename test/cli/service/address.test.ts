/** Which service a command works on, with which key, and what it says where that does not work. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { TEST_KEYS } from '../../support/test-keys.ts';
import { callEasel } from '../call-easel.ts';

let easel: Easel;
let place: TemporaryFolder;
beforeAll(async () => {
  place = await temporaryFolder();
  // A call waits as long as it says.
  easel = await startEasel({ env: { API_KEYS: TEST_KEYS }, skipMs: 0 });
});
afterAll(async () => {
  await easel[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

/** Runs a command on the service, whose address and key stand in the environment. */
function easelAt(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return callEasel(place.path, args, { EASEL_URL: easel.url, EASEL_API_KEY: 'boss-secret', ...env });
}

it('says of a service that is not there what it tried, and of a key that is refused what to set; both end with 1', async () => {
  const refused = await easelAt(['list', '--json'], { EASEL_API_KEY: 'wrong' });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/EASEL_API_KEY .*\(unauthorized\)\n$/)]);
  expect(JSON.parse(refused.stdout)).toMatchObject({ status: 401, code: 'unauthorized' });
  const forbidden = await easelAt(['cleanup'], { EASEL_API_KEY: 'viewer-secret' });
  expect([forbidden.code, forbidden.stderr]).toEqual([
    1,
    expect.stringMatching(/scope admin.*EASEL_API_KEY.*\(forbidden\)/),
  ]);
  const port = await freePort();
  // --url is before EASEL_URL.
  const away = await easelAt(['get', 'made', '--url', `http://127.0.0.1:${port}`, '--json']);
  expect([away.code, away.stderr]).toEqual([
    1,
    expect.stringContaining(`http://127.0.0.1:${port} could not be reached: `),
  ]);
  expect(JSON.parse(away.stdout)).toMatchObject({ code: 'unreachable', detail: expect.any(String) });
});

it('a key that may only generate makes pictures, too', async () => {
  const run = await easelAt(['generate', 'x', '--media-id', 'by-maker'], { EASEL_API_KEY: 'maker-secret' });
  expect([run.code, run.stderr]).toEqual([0, '']);
});

it.each([
  ['serve', ['serve']],
  ['backup', ['backup', 'b']],
  ['restore', ['restore', 'b']],
  ['migrate', ['migrate', '--from', 'a', '--media-from', 'b', '--to', 'c', '--media-to', 'd']],
  ['keys create', ['keys', 'create', 'blog', 'read']],
])('%s refuses --url with 2', async (name, args) => {
  const run = await callEasel(place.path, [...args, '--url', easel.url]);
  expect(run).toEqual({ code: 2, stdout: '', stderr: `--url: ${name} works on this machine alone; leave out --url\n` });
});

it('EASEL_URL is no matter of a command that works on this machine alone, and a wrong one is a wrong setting', async () => {
  expect((await easelAt(['keys', 'create', 'blog', 'read'])).code).toBe(0);
  for (const [env, message] of [
    [{ EASEL_URL: 'localhost:3000' }, /EASEL_URL: must be an http or https URL, such as http/],
    [{ EASEL_API_KEY: 'a b' }, /EASEL_API_KEY: must be visible ASCII/],
  ] as const) {
    const run = await easelAt(['list'], env);
    expect([run.code, run.stderr]).toEqual([78, expect.stringMatching(message)]);
  }
  const run = await easelAt(['list', '--url', 'http://a:b@127.0.0.1']);
  expect([run.code, run.stderr]).toEqual([2, expect.stringMatching(/^--url: must hold no user, no password/)]);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
