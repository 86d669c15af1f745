import { parseArgs } from 'node:util';
import { toRecord } from '../core/domain/record.ts';
import { sizeText } from '../core/planning/notation.ts';
import { OPERATOR, withServices } from './embedded-service.ts';
import { EX_USAGE, USAGE } from './usage.ts';

export async function generate(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      preset: { type: 'string' },
      size: { type: 'string' },
      model: { type: 'string' },
      'media-id': { type: 'string' },
    },
  });
  const prompt = positionals.join(' ');
  if (prompt === '') {
    console.error(`say what to make, such as: easel generate "a lighthouse at dusk"\n\n${USAGE}`);
    return EX_USAGE;
  }
  return await withServices(async ({ images, urls, start }) => {
    await start();
    const create = {
      prompt,
      preset: values.preset,
      model: values.model,
      mediaId: values['media-id'],
      size: values.size === undefined ? undefined : sizeText.parse(values.size),
    };
    const { image } = await images.submit(create, OPERATOR, null);
    const ended = await images.waitUntilFinished(image.mediaId, 2 ** 31 - 1, new AbortController().signal);
    console.log(JSON.stringify(ended && toRecord(ended, urls), null, 2));
    return ended?.status === 'succeeded' ? 0 : 1;
  });
}
