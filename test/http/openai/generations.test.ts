import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';
import { picture } from '../../support/openai/answers.ts';

describe('POST /v1/images/generations', () => {
  test('gives the official SDK the bytes of the original as they came', async () => {
    await using easel = await startEasel();
    const client = new OpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' });

    const { data: answer, response } = await client.images
      .generate({ model: 'gpt-image-2', prompt: 'a lighthouse', size: '1024x640' })
      .withResponse();

    const mediaId = response.headers.get('x-easel-media-id') ?? '';
    const { createReadStream } = await import('node:fs');
    const files = await easel.files();
    console.log(
      JSON.stringify({ ...answer, data: answer.data?.map((d) => Object.keys(d)) }),
      [...response.headers],
      files,
      mediaId,
      !!createReadStream,
      picture.length,
    );
    expect(answer.data).toHaveLength(1);
  });
});
