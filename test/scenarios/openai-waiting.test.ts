import { createOpenAI } from '@ai-sdk/openai';
import { generateImage } from 'ai';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, test } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { HAS_NGINX, startCuttingProxy, startNginx } from '../support/network/cutting-proxy.ts';
import { picture } from '../support/openai/answers.ts';
import { until } from '../support/until.ts';

// A picture outlasts the proxy in front of Easel, and the unchanged SDKs get it all the same: once made, once billed.

const SIZE = '1024x640';

/** Rounds of 10 calls through nginx; 20 of them are 200 calls. */
const ROUNDS_OF_NGINX = Number(process.env.ROUNDS_OF_NGINX ?? 1);

/** Waits last until the test sets the clock forward; as many pictures are made at once as are asked for. */
const startSlow = (seconds: number) =>
  startEasel({ skipMs: 0, env: { OPENAI_WAIT_SECONDS: String(seconds), CONCURRENCY: '256' } });

/** How many calls were answered with this status. */
function answered(easel: Easel, status: number): number {
  const lines = easel.log.filter((line) => line.includes('"route":"/v1/images/generations"'));
  return lines.filter((line) => line.includes(`"status":${status},`)).length;
}

/** Resolves once every call is out to the model and waited for, with so many sleepers of the clock for each. */
async function allWait(easel: Easel, count: number, sleepers: number): Promise<void> {
  await easel.upstream.received(count);
  await until(() => easel.clock.sleepers >= sleepers * count);
}

/** So many clients at once, of the newest major version and of the one before, each with the defaults of its SDK. */
function startCalls(url: string, count: number, prompt: (index: number) => string) {
  const clients = [OpenAI, OpenAI6 as unknown as typeof OpenAI].map(
    (Client) => new Client({ baseURL: `${url}/v1`, apiKey: 'none' }),
  );
  return Array.from({ length: count }, async (_, index) => {
    const client = clients[index % 2] as OpenAI;
    const { data, response } = await client.images
      .generate({ model: 'gpt-image-2', prompt: prompt(index), size: SIZE })
      .withResponse();
    return { mediaId: response.headers.get('x-easel-media-id') ?? '', base64: data.data?.[0]?.b64_json ?? '' };
  });
}

describe('a picture that outlasts the proxy', () => {
  test('40 calls, half of them for the same picture, bring 40 pictures and are billed 40 times', async () => {
    const count = 40;
    await using easel = await startSlow(8);
    await using proxy = await startCuttingProxy(easel.url, (signal) => easel.clock.sleep(10_000, signal));
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));

    const calls = startCalls(proxy.url, count, (index) => (index < count / 2 ? 'a lighthouse' : `a boat, ${index}`));
    // Two waits of 8 s: longer than the 10 s of the proxy.
    for (const round of [1, 2]) {
      await allWait(easel, count, 2);
      easel.clock.advance(8_000);
      await until(() => answered(easel, 503) === round * count);
    }
    gate.open();

    const pictures = await Promise.all(calls);
    expect(new Set(pictures.map(({ mediaId }) => mediaId)).size).toBe(count);
    expect(pictures.every(({ base64 }) => base64.length > 1_000)).toBe(true);
    expect(easel.upstream.calls).toHaveLength(count);
    expect(answered(easel, 200)).toBe(count);
  });

  test('the proxy of this test cuts a call that does not come back by itself', async () => {
    await using easel = await startSlow(8);
    await using proxy = await startCuttingProxy(easel.url, (signal) => easel.clock.sleep(10_000, signal));
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const call = fetch(`${proxy.url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a lighthouse', size: SIZE }),
    });
    await easel.upstream.received(1);
    await until(() => easel.clock.sleepers >= 2);
    easel.clock.advance(10_000);
    expect((await call).status).toBe(504);
    gate.open();
  });

  test('the same through nginx with a proxy_read_timeout of 10 s', async ({ skip }) => {
    skip(!HAS_NGINX, 'nginx is not installed; Debian has it as nginx-light');
    const count = 10;
    for (let round = 0; round < ROUNDS_OF_NGINX; round += 1) {
      await using easel = await startSlow(8);
      await using nginx = await startNginx(easel.url, 10);
      const gate = easel.upstream.gate();
      easel.upstream.always(picture({ beforeHeaders: gate }));
      const began = performance.now();

      const calls = startCalls(nginx.url, count, () => 'a lighthouse');
      for (const wait of [1, 2]) {
        // The time of nginx is that of the machine: the picture takes longer than it allows, each wait less.
        await until(() => performance.now() - began > wait * 5_500);
        await allWait(easel, count, 1);
        easel.clock.advance(8_000);
        await until(() => answered(easel, 503) === wait * count);
      }
      gate.open();

      const pictures = await Promise.all(calls);
      expect(new Set(pictures.map(({ mediaId }) => mediaId)).size).toBe(count);
      expect(easel.upstream.calls).toHaveLength(count);
    }
  });
});

describe('a client that would pay again', () => {
  test('the ai package, which retries 503 without saying so, is waited for and pays once', async () => {
    await using easel = await startSlow(8);
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const model = createOpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' }).image('gpt-image-2');

    const made = generateImage({ model, prompt: 'a lighthouse', size: SIZE });
    await easel.upstream.received(1);
    await until(() => easel.clock.sleepers > 0);
    easel.clock.advance(100_000);
    gate.open();

    const { image } = await made;
    expect(image.uint8Array.length).toBeGreaterThan(1_000);
    expect(easel.upstream.calls).toHaveLength(1);
    expect(answered(easel, 503)).toBe(0);
  });
});
