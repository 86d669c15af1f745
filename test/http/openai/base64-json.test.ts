import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { fastify } from 'fastify';
import { describe, expect, test } from 'vitest';
import type { OpenFile } from '../../../src/core/ports/media-store.ts';
import { sendParts } from '../../../src/http/openai/base64-json.ts';

/** A file that is read in chunks of this size, and notes that it was closed. */
function fileOf(bytes: Buffer, chunk: number): OpenFile & { closed: number } {
  return {
    bytes: bytes.length,
    closed: 0,
    stream: () =>
      Readable.from(
        Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, at) =>
          bytes.subarray(at * chunk, (at + 1) * chunk),
        ),
      ),
    async close() {
      this.closed += 1;
    },
  };
}

describe('an answer with files in base64', () => {
  test.each([
    [0, 1],
    [1, 1],
    [2, 7],
    [3, 1],
    [1_000, 1],
    [1_000, 2],
    [1_000, 3],
    [1_001, 64],
    [300_000, 65_536],
  ])('of %i bytes, read by %i, is what one encoding gives, and says its length', async (length, chunk) => {
    const one = fileOf(randomBytes(length), chunk);
    const bytes = randomBytes(length);
    const two = fileOf(bytes, chunk);
    const app = fastify();
    app.get('/', (_request, reply) => sendParts(reply, ['{"é":["', one, '","', two, '"]}']));

    const answer = await app.inject('/');
    const [, second] = (JSON.parse(answer.body) as { é: string[] }).é;
    expect(second).toBe(bytes.toString('base64'));
    expect(answer.headers['content-length']).toBe(String(answer.rawPayload.length));
    expect([one.closed, two.closed]).toEqual([1, 1]);
    await app.close();
  });
});
