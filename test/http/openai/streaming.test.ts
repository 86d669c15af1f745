import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, test } from 'vitest';
import { openAiStreamEvent } from '../../../src/api/openai/answers.ts';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { startEasel } from '../../support/app/easel.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';

const REQUEST = { model: 'gpt-image-2', prompt: 'a lighthouse', size: '1024x640', stream: true } as const;

const startClient = (url: string, Client: typeof OpenAI = OpenAI) =>
  new Client({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });

describe('a stream', () => {
  test.each([
    ['openai 7', OpenAI],
    ['openai 6', OpenAI6 as unknown as typeof OpenAI],
  ] as const)('gives %s the partial pictures, then the whole one with its usage', async (_name, Client) => {
    await using easel = await startEasel({ skipMs: 0 });
    const stream = await startClient(easel.url, Client).images.generate({ ...REQUEST, partial_images: 2 });
    const events = [];
    for await (const event of stream) events.push(openAiStreamEvent.parse(event));

    const last = events.at(-1);
    if (last?.type !== 'image_generation.completed') throw new Error(`the stream ended with ${last?.type}`);
    expect(last).toMatchObject({ size: '1024x640', output_format: 'png', quality: 'auto', background: 'auto' });
    expect(last.usage.output_tokens).toBeGreaterThan(0);
    const [record] = (await easel.services.images.list({ limit: 1 }, ANONYMOUS)).items;
    const master = await easel.get(`/media/${record?.master?.name}`);
    expect(Buffer.from(last.b64_json, 'base64')).toEqual(Buffer.from(await master.arrayBuffer()));
    const partials = events.slice(0, -1);
    expect(partials.length).toBeGreaterThan(0);
    for (const event of partials) {
      expect(event).toMatchObject({ type: 'image_generation.partial_image', size: '1024x640', output_format: 'png' });
    }
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([2]);
  });

  test('has no more partial pictures than it asks for, and none more is paid', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const stream = await startClient(easel.url).images.generate({ ...REQUEST, partial_images: 1 });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.completed']);
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([1]);
  });

  test('without partial pictures is one event, and none is asked of the model', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const stream = await startClient(easel.url).images.generate(REQUEST);
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['image_generation.completed']);
    expect(easel.upstream.calls.map(({ body }) => body.partial_images)).toEqual([undefined]);
  });

  test('a failure after its beginning is an event `error`, which the SDK raises', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(openAiError('moderation_blocked'));
    const stream = await startClient(easel.url).images.generate(REQUEST);
    const reading = (async () => {
      for await (const event of stream) throw new Error(`an event came: ${event.type}`);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'moderation_blocked', type: 'image_generation_user_error' });
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  test('a comment keeps the connection open every 15 s', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const response = await fetch(`${easel.url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(REQUEST),
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body ?? []) text += new TextDecoder().decode(chunk);
    })();
    await easel.upstream.received(1);
    for (const comments of [2, 3]) {
      await until(() => easel.clock.sleepers > 0);
      easel.clock.advance(15_000);
      await until(() => text.split('\n').filter((line) => line.startsWith(':')).length >= comments);
    }
    gate.open();
    await reading;
    expect(text).toContain('event: image_generation.completed\n');
    expect(response.headers.get('content-type')).toContain('text/event-stream');
  });

  test('of a picture that is deleted meanwhile ends with an error', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(picture({ beforeHeaders: easel.upstream.gate() }));
    for (const partial_images of [0, 1]) {
      const stream = await startClient(easel.url).images.generate({ ...REQUEST, partial_images });
      const reading = (async () => {
        for await (const event of stream) throw new Error(`an event came: ${event.type}`);
      })();
      const refused = expect(reading).rejects.toMatchObject({ code: 'not_found' });
      await easel.upstream.received(partial_images + 1);
      const { items } = await easel.services.images.list({ limit: 1 }, ANONYMOUS);
      await easel.services.images.remove(items[0]?.mediaId ?? '', ANONYMOUS);
      await refused;
    }
  });

  test('ends when the client leaves; the picture is made all the same', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const stream = await startClient(easel.url).images.generate({ ...REQUEST, partial_images: 1 });
    await easel.upstream.received(1);
    stream.controller.abort();
    gate.open();
    await until(async () => {
      const { items } = await easel.services.images.list({ limit: 1 }, ANONYMOUS);
      return items[0]?.status === 'succeeded';
    });
  });
});
