import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, test } from 'vitest';
import { EASEL } from '../cli/run-easel.ts';
import { startEasel } from '../support/app/easel.ts';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { createAgent, ERAS, type Era, partsOf, textOf } from '../support/mcp.ts';
import { picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

type Variables = Readonly<Record<string, string>>;

function variables({ path }: TemporaryFolder, env: Variables = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  const own = { MEDIA_DIR: `${path}/media`, DATABASE_URL: `sqlite:${path}/easel.db`, IMAGE_SIZE: '1024x640' };
  return { PATH, HOME, NODE_COMPILE_CACHE: COMPILE_CACHE, IMAGE_RENDITIONS: '256x160.png', ...own, ...env };
}

/** `easel mcp`, started by the SDK's client as an agent starts it. */
async function startAgent(folder: TemporaryFolder, era: Era, env: Variables = {}) {
  const client = createAgent(era);
  const args = [EASEL, 'mcp'];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args,
    env: variables(folder, env),
    stderr: 'pipe',
  });
  let stderr = '';
  transport.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  await client.connect(transport);
  return {
    client,
    stderr: () => stderr,
    call: async (name: string, given: Record<string, unknown> = {}) =>
      await client.callTool({ name, arguments: given }, { timeout: 60_000 }),
    [Symbol.asyncDispose]: async () => await client.close(),
  };
}

describe.each(ERAS)('easel mcp, in %s', (era) => {
  test('works without a service; its links lead to the files, and its database is opened by the first tool', async () => {
    await using folder = await temporaryFolder();
    await using agent = await startAgent(folder, era);
    expect((await agent.client.listTools()).tools).toHaveLength(7);
    expect(await readdir(folder.path)).toEqual([]);

    const answer = await agent.call('generate_image', { mediaId: 'lighthouse', prompt: 'a lighthouse' });
    expect(answer.content.map(({ type }) => type)).toEqual(['image', 'resource_link', 'text']);
    expect(partsOf(answer, 'resource_link')[0]?.uri).toBe(`file://${folder.path}/media/lighthouse.png`);
    expect(answer.structuredContent).toMatchObject({ status: 'succeeded', provider: 'placeholder' });
  });

  test('forwards to the service of EASEL_URL, with its key', async () => {
    await using folder = await temporaryFolder();
    await using easel = await startEasel({ skipMs: 0, env: { API_KEYS: TEST_KEYS } });
    const env = { EASEL_URL: easel.url, EASEL_API_KEY: 'blog-secret' };
    await using agent = await startAgent(folder, era, env);

    const answer = await agent.call('generate_image', { mediaId: 'lighthouse', prompt: 'a lighthouse' });
    expect(answer.content.map(({ type }) => type)).toEqual(['image', 'resource_link', 'text']);
    expect(partsOf(answer, 'resource_link')[0]?.uri).toBe(`${easel.url}/media/lighthouse.png`);
    expect((await easel.get('/images/lighthouse', bearer('blog'))).status).toBe(200);
    expect(await readdir(folder.path)).toEqual([]);
  });
});

test('a database in use is the error of a tool, which names EASEL_URL', async () => {
  await using folder = await temporaryFolder();
  await using owner = await startAgent(folder, '2026-07-28');
  await owner.call('list_images');
  await using agent = await startAgent(folder, '2025-11-25');

  const refused = await agent.call('list_images');
  expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'storage_unavailable' } });
  expect(textOf(refused)).toMatch(/^storage_unavailable: .*EASEL_URL/);
  await owner.client.close();
  await expect.poll(async () => (await agent.call('list_images')).isError ?? false).toBe(false);
});

describe('the process', () => {
  const start = (folder: TemporaryFolder, env: Variables = {}) =>
    spawn(process.execPath, [EASEL, 'mcp'], { env: variables(folder, env), stdio: ['pipe', 'pipe', 'pipe'] });

  test('ends with 78 for wrong settings, before a word of the protocol', async () => {
    await using folder = await temporaryFolder();
    for (const env of [{ MCP_WAIT_SECONDS: 'long' }, { EASEL_URL: 'nowhere' }]) {
      const child = start(folder, env);
      const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
      const [code] = await once(child, 'close');
      expect({ code, stdout: (await stdout)?.join('') }).toEqual({ code: 78, stdout: '' });
      expect((await stderr)?.join('')).toContain(Object.keys(env)[0]);
    }
  });

  test('takes messages as they come, in pieces and together; one that is too long ends it, and the log says so', async () => {
    await using folder = await temporaryFolder();
    const child = start(folder);
    const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8'));
    const ended = once(child, 'close');
    child.stdin.on('error', () => undefined);
    const message = (id: number, method: string, params: object) =>
      `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
    const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const both = `${message(1, 'initialize', hello)}${message(2, 'ping', {})}`;
    child.stdin.write(both.slice(0, 20));
    child.stdin.write(`${both.slice(20)}${message(3, 'ping', { filler: 'ü'.repeat(500_000) })}`);
    let answered = '';
    for await (const chunk of stdout ?? []) {
      answered += chunk;
      if (answered.includes('"id":3')) break;
    }
    expect(answered.match(/"id":\d/g)).toEqual(['"id":1', '"id":2', '"id":3']);

    child.stdin.write(message(4, 'ping', { filler: 'a'.repeat(34 * 1024 * 1024) }));
    expect((await stderr?.toArray())?.join('')).toContain('a message is longer than');
    expect((await ended)[0]).toBe(0);
  });

  test('stores what is out when its input ends, and the next one collects it', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    const env = { OPENAI_API_KEY: upstream.key ?? 'none', OPENAI_BASE_URL: upstream.baseUrl };
    const child = start(folder, env);
    const stdout = child.stdout.setEncoding('utf8').toArray();
    const ended = once(child, 'close');
    const call = { name: 'generate_image', arguments: { mediaId: 'lighthouse', prompt: 'a lighthouse' } };
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: call })}\n`);
    await upstream.received(1);
    child.stdin.end();
    gate.open();
    const [code] = await ended;
    expect(code).toBe(0);
    for (const line of (await stdout).join('').split('\n').filter(Boolean))
      expect(JSON.parse(line)).toHaveProperty('jsonrpc');

    await using agent = await startAgent(folder, '2026-07-28', env);
    const answer = await agent.call('get_image', { mediaId: 'lighthouse' });
    expect(answer.structuredContent).toMatchObject({ status: 'succeeded' });
    expect(upstream.calls).toHaveLength(1);
  });
});
