import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fastify from 'fastify';
import { afterEach, expect, test, vi } from 'vitest';
import { CALLER_ADDRESS, callerAddress, IN_PROCESS_URL, openInProcess } from '../../src/http/in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

/** An app that says where a request came from, and the way to it. */
async function openApp() {
  const app = fastify({ forceCloseConnections: true });
  app.get('/whence', async (request) => ({ address: callerAddress(request) }));
  app.get('/elsewhere', async (_request, reply) => reply.redirect(`${elsewhere}/found`));
  app.get('/found', async ({ headers }) => ({ key: headers.authorization ?? null }));
  opened.push(app);
  const way = await openInProcess(app);
  opened.push(way);
  const elsewhere = await app.listen({ port: 0, host: '127.0.0.1' });
  return { way, url: elsewhere };
}

test('a request of this process names the address that it is made for, and no other peer can', async () => {
  const { way, url } = await openApp();
  const headers = { [CALLER_ADDRESS]: '203.0.113.7' };

  expect(await (await way.fetch(`${IN_PROCESS_URL}/whence`, { headers })).json()).toEqual({ address: '203.0.113.7' });
  expect(await (await fetch(`${url}/whence`, { headers })).json()).toEqual({ address: '127.0.0.1' });
});

test('an answer that leads elsewhere is followed there, without the key; or given as it is', async () => {
  const { way } = await openApp();
  const headers = { authorization: 'Bearer secret' };

  const followed = await way.fetch(`${IN_PROCESS_URL}/elsewhere`, { headers });
  expect(await followed.json()).toEqual({ key: null });
  const kept = await way.fetch(`${IN_PROCESS_URL}/elsewhere`, { headers, redirect: 'manual' });
  expect(kept.status).toBe(302);
});

test('a way to an app that answers already opens as well', async () => {
  const { url } = await openApp();
  const app = opened[0] as unknown as Parameters<typeof openInProcess>[0];
  const other = await openInProcess(app);
  opened.push(other);
  expect((await other.fetch(`${IN_PROCESS_URL}/found`)).status).toBe(200);
  expect((await fetch(`${url}/found`)).status).toBe(200);
});

test('a way that cannot be opened leaves no folder', async () => {
  await using folder = await temporaryFolder();
  // Longer than the name of a socket can be.
  const long = join(folder.path, 'a'.repeat(110));
  await mkdir(long);
  vi.stubEnv('TMPDIR', long);
  try {
    await expect(openInProcess(fastify())).rejects.toThrow('EINVAL');
  } finally {
    vi.unstubAllEnvs();
  }
  expect(await readdir(long)).toEqual([]);
});
