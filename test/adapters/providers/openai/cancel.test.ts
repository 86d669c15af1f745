import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTransport, type Transport } from '../../../../src/adapters/providers/transport.ts';
import type { GenerationCall } from '../../../../src/core/ports/provider.ts';
import { startProcess } from '../../../support/app/process.ts';
import { callOptions } from '../../../support/generation.ts';
import { CALL, MAX_BYTES, type OpenAiAdapter, startOpenAiAdapter } from '../../../support/openai/adapter.ts';
import { answer, hang, openAiError, picture } from '../../../support/openai/answers.ts';
import type { OpenAiServer } from '../../../support/openai/server.ts';
import { blankPicture } from '../../../support/pictures.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { until } from '../../../support/until.ts';

let adapter: OpenAiAdapter;
let server: OpenAiServer;
let transport: Transport;

beforeAll(async () => {
  adapter = await startOpenAiAdapter();
  ({ server } = adapter);
  transport = createTransport({ maxResponseBytes: MAX_BYTES });
});
afterAll(async () => {
  await transport.close();
  await adapter[Symbol.asyncDispose]();
});
beforeEach(() => server.reset());

/** Begins a call, and waits until the head of its answer has arrived. */
async function untilHead(call: GenerationCall = CALL) {
  const head = Promise.withResolvers<void>();
  const watched: Transport = {
    ...transport,
    async fetch(input, init) {
      const response = await transport.fetch(input, init);
      setImmediate(head.resolve);
      return response;
    },
  };
  const cancelled = new AbortController();
  const abandoned = new AbortController();
  const options = callOptions({ cancelled: cancelled.signal, abandoned: abandoned.signal });
  const ended = adapter
    .provider({ transport: watched })
    .generate(call, options)
    .catch((error: unknown) => error);
  await head.promise;
  return { cancelled, abandoned, ended };
}

describe('once a good answer has begun', () => {
  test.each([
    ['a plain answer', CALL],
    ['a stream', { ...CALL, partialImages: 1 }],
  ])('a cancellation does not end the call: %s is read to its end', async (_, call) => {
    const gate = server.gate();
    server.script(picture({ beforeBody: gate }));
    const { cancelled, ended } = await untilHead(call);
    await gate.reached();
    cancelled.abort(new Error('cancelled'));
    gate.open();
    expect(await ended).toMatchObject({ bytes: expect.any(Uint8Array), httpStatus: 200 });
    expect(server.calls[0]?.ending).toBe('answered');
  });

  test('a failure after a cancellation may have been billed', async () => {
    const gate = server.gate();
    server.script(
      answer({ body: ['{"data":[', '{}'], drip: { pause: gate }, cut: { after: { pieces: 1 }, by: 'close' } }),
    );
    const { cancelled, ended } = await untilHead();
    cancelled.abort(new Error('cancelled'));
    gate.open();
    expect(await ended).toMatchObject({ fault: 'interrupted', outcome: 'unknown' });
  });

  test('`abandoned` ends the call', async () => {
    server.script(picture({ beforeBody: 'forever' }));
    const { abandoned, ended } = await untilHead();
    abandoned.abort(new Error('stopping'));
    expect(await ended).toMatchObject({ fault: 'cancelled', outcome: 'cancelled' });
    await server.abandoned(1);
  });
});

test('a cancellation ends the call while an error arrives', async () => {
  server.script(openAiError('server_error', { cut: { after: { bytes: 10 }, by: 'hang' } }));
  const { cancelled, ended } = await untilHead();
  cancelled.abort(new Error('cancelled'));
  expect(await ended).toMatchObject({ fault: 'cancelled' });
  await server.abandoned(1);
});

describe('a process that is suspended for longer than its call may take', () => {
  /** Milliseconds that the call may take: enough for this process to notice that the call was sent, and to suspend its process. */
  const LIMIT_MS = 3_000;

  /** Suspends the process of a call that has been sent, lets the server answer, and gives what the call brought. */
  async function suspendDuring(letAnswer: () => Promise<void>): Promise<string> {
    await using folder = await temporaryFolder();
    const script = fileURLToPath(new URL('../../../support/openai/one-call.ts', import.meta.url));
    const command = [process.execPath, script, server.baseUrl, server.key ?? '', String(LIMIT_MS)] as const;
    await using caller = startProcess({ folder: folder.path, command });
    await server.received(1);
    caller.child.kill('SIGSTOP');
    await until(async () => (await readFile(`/proc/${caller.child.pid}/stat`, 'utf8')).includes(') T '));
    await letAnswer();
    // The time itself is what is tested: nothing can stand in for it.
    await delay(2 * LIMIT_MS);
    caller.child.kill('SIGCONT');
    expect([await caller.exited, caller.stderr()]).toEqual([0, '']);
    return caller.stdout();
  }

  test('reads the answer that arrived meanwhile', async () => {
    const gate = server.gate();
    const content = await blankPicture({ width: 64, height: 64, format: 'png' });
    server.script(picture({ content, beforeHeaders: gate }));
    const brought = await suspendDuring(async () => {
      gate.open();
      await server.ended(1);
    });
    expect(brought).toBe(`${content.length} bytes\n`);
    expect(server.calls.map(({ ending }) => ending)).toEqual(['answered']);
  });

  test('still ends the call where none arrives', async () => {
    server.script(hang());
    expect(await suspendDuring(async () => undefined)).toBe('timeout\n');
  });
});
