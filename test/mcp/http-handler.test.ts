import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHttpHandler } from '../../src/mcp/http-handler.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { codeOf } from '../support/mcp.ts';
import { picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';

let easel: Easel;
beforeAll(async () => {
  easel = await startEasel({ skipMs: 0 });
});
afterAll(() => easel[Symbol.asyncDispose]());
beforeEach(() => easel.upstream.reset());

/** A client of a handler of its own, which reaches the service by `fetch`. */
async function connect({ takenPictures = new Map(), fetchBy = fetch }: Partial<Reach> = {}) {
  const answer = createHttpHandler({
    version: '1',
    waitMs: 60_000,
    shrink: async () => ({ mimeType: 'image/png', bytes: new Uint8Array() }),
    onPictureMissing: () => undefined,
    onDefect: (error) => expect.unreachable(String(error)),
    onRefused: () => undefined,
  });
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const transport = new StreamableHTTPClientTransport(new URL('http://easel.example/mcp'), {
    async fetch(input, init) {
      const request = new Request(input, init);
      const body: unknown = await request.json();
      const ending = new AbortController().signal;
      const call = { body, takenPictures, apiKey: null, address: '127.0.0.1', baseUrl: easel.url, ending };
      return await answer(new Request(request.url, { ...init }), { ...call, fetch: fetchBy });
    },
  });
  await client.connect(transport);
  return {
    call: async (name: string, args: Record<string, unknown>) => await client.callTool({ name, arguments: args }),
    [Symbol.asyncDispose]: async () => await client.close(),
  };
}

interface Reach {
  readonly takenPictures: Map<string, Uint8Array>;
  readonly fetchBy: typeof fetch;
}

test('the same call again joins the picture of one whose acceptance was lost: it is paid once', async () => {
  let lost = 0;
  const fetchBy: typeof fetch = async (...given) => {
    const response = await fetch(...given);
    if (new Request(...given).method !== 'POST' || lost++ > 0) return response;
    await response.body?.cancel();
    throw new TypeError('fetch failed');
  };
  await using agent = await connect({ fetchBy });
  const args = { prompt: 'a lighthouse' };

  expect(codeOf(await agent.call('generate_image', args))).toBe('unreachable');
  expect((await agent.call('generate_image', args)).structuredContent).toMatchObject({ status: 'succeeded' });
  expect(easel.upstream.calls).toHaveLength(1);
});

test('the pictures of a call are let go as soon as the service has them', async () => {
  const takenPictures = new Map([['picture:1', await texturedPicture({ width: 1024, height: 1024 })]]);
  await using agent = await connect({ takenPictures });
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));

  const call = agent.call('edit_image', { prompt: 'at night', inputs: [{ data: 'picture:1' }], size: '1024x1024' });
  await easel.upstream.received(1);
  expect(takenPictures.size).toBe(0);
  gate.open();
  expect((await call).structuredContent).toMatchObject({ status: 'succeeded' });
});
