import OpenAI, { toFile } from 'openai';
import { describe, expect, test } from 'vitest';
import { openAiEdit, openAiGeneration } from '../../src/api/openai/requests.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { openAiError } from '../support/openai/answers.ts';
import { publishedParameters, publishedSchema } from '../support/openai/published.ts';
import { texturedPicture } from '../support/pictures.ts';

// By OpenAI's published description: what is sent to it, and what it answers.

const SIZE = '1536x1024';
const source = await texturedPicture({ width: 256, height: 256 });
const dataUrl = `data:image/png;base64,${source.toString('base64')}`;

async function post(easel: Easel, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${easel.url}/v1/images/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return await response.json();
}

describe('the published parameters', () => {
  test.each([
    ['CreateImageRequest', Object.keys(openAiGeneration.shape)],
    ['EditImageBodyJsonParam', Object.keys(openAiEdit.shape)],
    ['CreateImageEditRequest', [...Object.keys(openAiEdit.shape), 'image']],
  ] as const)('of %s are all known', (name, known) => {
    expect(known).toEqual(expect.arrayContaining([...publishedParameters(name)]));
  });
});

describe('by the published description', () => {
  test.each(['b64_json', 'url'] as const)('an answer with %s is one, and so is the call for it', async (format) => {
    await using easel = await startEasel();
    const request = { prompt: 'a lighthouse', size: SIZE, quality: 'high', n: 2, response_format: format };
    const generated = await post(easel, 'generations', request);
    publishedSchema('ImagesResponse').parse(generated);
    expect(generated).toMatchObject({ data: [{}, {}], size: SIZE, quality: 'high', output_format: 'png' });
    const edited = await post(easel, 'edits', { ...request, images: [{ image_url: dataUrl }] });
    publishedSchema('ImagesResponse').parse(edited);
    expect(edited).toMatchObject({ usage: { input_tokens_details: { image_tokens: expect.any(Number) } } });

    const [generation] = easel.upstream.calls;
    publishedSchema('CreateImageRequest').parse(generation?.body);
    expect(publishedParameters('CreateImageRequest')).toEqual(
      expect.arrayContaining(Object.keys(generation?.body ?? {})),
    );
    const edit = easel.upstream.calls.at(-1);
    publishedSchema('CreateImageEditRequest').parse({ ...edit?.body, image: 'a file' });
    expect(publishedParameters('CreateImageEditRequest')).toEqual(
      expect.arrayContaining(Object.keys(edit?.body ?? {})),
    );
  });

  test('the events of streams are events', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    const client = new OpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' });
    const asked = { model: 'gpt-image-2', prompt: 'a', size: SIZE, stream: true, partial_images: 1 } as const;
    const image = await toFile(source, 'a.png', { type: 'image/png' });
    const generation: unknown[] = [];
    for await (const event of await client.images.generate(asked)) generation.push(event);
    const edit: unknown[] = [];
    for await (const event of await client.images.edit({ ...asked, image })) edit.push(event);
    expect([generation.length, edit.length]).toEqual([2, 2]);
    for (const event of generation) publishedSchema('ImageGenStreamEvent').parse(event);
    for (const event of edit) publishedSchema('ImageEditStreamEvent').parse(event);
  });

  test('errors are errors', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(openAiError('moderation_blocked'));
    for (const body of [{}, { prompt: 'a' }, { prompt: 'a', model: 'none' }]) {
      publishedSchema('ErrorResponse').parse(await post(easel, 'generations', body));
    }
  });

  test('the schemas refuse what is none', () => {
    expect(publishedSchema('ImagesResponse').safeParse({ data: [] }).success).toBe(false);
    expect(publishedSchema('ImagesResponse').safeParse({ created: 1, size: '1x1' }).success).toBe(false);
    expect(publishedSchema('CreateImageRequest').safeParse({ prompt: 'a', n: 11 }).success).toBe(false);
    expect(publishedSchema('ImageGenStreamEvent').safeParse({ type: 'image_generation.completed' }).success).toBe(
      false,
    );
  });
});
