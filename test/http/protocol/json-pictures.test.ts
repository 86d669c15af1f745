import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openAiError } from '../../../src/api/openai/errors.ts';
import { liftDataUrls } from '../../../src/http/protocol/json-pictures.ts';
import { createFakeCalls } from '../../support/app/fake-calls.ts';
import { openHttpApp } from '../../support/app/http-app.ts';

const MIB = 1024 ** 2;
const dataUrl = (bytes: Buffer) => `data:image/png;base64,${bytes.toString('base64')}`;
const referenceTo = (bytes: Buffer) => `picture:${createHash('sha256').update(bytes).digest('hex')}`;

async function lift(json: string) {
  const pictures = new Map<string, Buffer>();
  const rest = (await liftDataUrls(Buffer.from(json), 'image_url', pictures)).toString();
  return { rest, pictures };
}

describe('a data URL under image_url', () => {
  test.each([0, 1, 2, 3, 196_607, 196_608, 196_609, 700_001])('of %i bytes is taken out whole', async (length) => {
    const bytes = randomBytes(length);
    const body = { prompt: 'a', images: [{ image_url: dataUrl(bytes) }, { image_url: 'https://example.com/b' }] };
    const { rest, pictures } = await lift(JSON.stringify(body, null, 2));
    const reference = referenceTo(bytes);
    expect(JSON.parse(rest)).toEqual({ ...body, images: [{ image_url: reference }, body.images[1]] });
    expect(pictures.get(reference)?.equals(bytes)).toBe(true);
  });

  test('is the same whatever the writing of its base64', async () => {
    const bytes = randomBytes(300_000);
    const url = dataUrl(bytes);
    const written = [
      url.replaceAll('/', '\\/'),
      url.replace('data:image/png;', 'data:image/webp; '),
      `data:image/png;base64,${bytes.toString('base64url')}`,
      url.replace(/=+$/, ''),
    ];
    for (const one of written) {
      const { rest, pictures } = await lift(`{"image_url":"${one}"}`);
      expect(JSON.parse(rest)).toEqual({ image_url: referenceTo(bytes) });
      expect([...pictures.values()]).toEqual([bytes]);
    }
  });

  test.each([
    ['under another key', '{"prompt":"data:image/png;base64,AAAA"}'],
    ['in a text', JSON.stringify({ prompt: '"image_url":"data:image/png;base64,AAAA"' })],
    ['that is not base64', '{"image_url":"data:image/svg+xml,<svg/>"}'],
    ['that does not end', '{"image_url":"data:image/png;base64,AAAA'],
    ['with an escaped quote', '{"image_url":"data:image/png;base64,AAAA\\""}'],
  ])('stays where it is %s', async (_name, json) => {
    const { rest, pictures } = await lift(json);
    expect(rest).toBe(json);
    expect(pictures.size).toBe(0);
  });

  test('is looked for in so many places only', async () => {
    const json = `[${'{"image_url":"data:image/png;base64,AAAA"},'.repeat(200)}0]`;
    const { rest } = await lift(json);
    expect(rest.match(/picture:/g)).toHaveLength(100);
  });
});

describe('a body of edits in JSON', () => {
  const post = (port: number, body: string) =>
    fetch(`http://127.0.0.1:${port}/v1/images/edits`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });

  test('has 1 MiB for what is no picture', async () => {
    await using http = await openHttpApp();
    const response = await post(http.port, JSON.stringify({ prompt: 'a'.repeat(2 * MIB) }));
    expect(response.status).toBe(413);
    expect(openAiError.parse(await response.json()).error.message).toContain('1 MiB');
  });

  test('takes room among the bytes in hand, and gives it back once its pictures are stored or it is refused', async () => {
    const holding = Promise.withResolvers<void>();
    const held = Promise.withResolvers<never>();
    const calls = {
      ...createFakeCalls(),
      submit: () => {
        holding.resolve();
        return held.promise;
      },
    };
    await using http = await openHttpApp({ calls }, { inputMemoryBytes: 3 * MIB });
    const body = JSON.stringify({ prompt: 'a', images: [{ image_url: dataUrl(Buffer.alloc(1.5 * MIB)) }] });
    const first = post(http.port, body);
    await holding.promise;
    const second = await post(http.port, body);
    expect(second.status).toBe(429);
    expect(openAiError.parse(await second.json()).error.code).toBe('rate_limit_exceeded');
    held.reject(new Error('enough is known'));
    await (await first).text();
    expect((await post(http.port, body.replace('"a"', '""'))).status).toBe(400);
    expect((await post(http.port, body)).status).toBe(500);
  });
});
