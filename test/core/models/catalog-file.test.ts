import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCatalogFile } from '../../../src/core/models/catalog-file.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const price = { date: '2026-11-22', source: "the provider's page" };

async function read(content: unknown) {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'models.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  const file = readCatalogFile(path);
  return 'issues' in file ? { issues: file.issues.map((issue) => issue.replace(path, 'FILE')) } : file;
}

describe('readCatalogFile', () => {
  it('reads every fact of a model, and fills in defaults of sizes and prices', async () => {
    const file = await read({
      'my-flux': {
        sizes: ['512x512', '1024x768'],
        qualities: ['low', 'high'],
        styles: null,
        backgrounds: ['opaque'],
        formats: ['png'],
        promptLimit: 2000,
        maxPictures: 4,
        partialImages: 0,
        edits: { images: 1, imageBytes: 1_000_000, maskBytes: 0 },
        shutdownDate: '2027-01-01',
        successor: 'my-flux-2',
        pricing: { kind: 'picture', usd: 0.04, ...price },
      },
      'my-flux-2': {
        sizes: { minSide: 256, maxSide: 2048 },
        pricing: { kind: 'tokens', textInput: 1, imageOutput: 20, outputTokens: { auto: 900, low: 300 }, ...price },
      },
      'my-gpt-image': {
        pricing: {
          kind: 'tokens',
          textInput: 1,
          cachedTextInput: 0.5,
          imageInput: 2,
          cachedImageInput: 1,
          imageOutput: 20,
          outputTokens: { auto: { patches: 96 }, low: { patches: 16, times: 4 } },
          ...price,
        },
      },
      'dall-e-3': { shutdownDate: null },
    });
    expect(Object.fromEntries('models' in file ? file.models : [])).toMatchObject({
      'my-flux': {
        sizes: {
          kind: 'list',
          sizes: [
            { width: 512, height: 512 },
            { width: 1024, height: 768 },
          ],
        },
        pricing: { kind: 'picture', usd: 0.04 },
      },
      'my-flux-2': {
        sizes: { kind: 'range', step: 1, minSide: 256, maxSide: 2048, minPixels: 1 },
        pricing: {
          cachedTextInput: null,
          imageInput: 0,
          cachedImageInput: null,
          outputTokens: { auto: 900, low: 300 },
        },
      },
      'my-gpt-image': {
        pricing: {
          cachedTextInput: 0.5,
          cachedImageInput: 1,
          outputTokens: { auto: { patches: 96, times: 1 }, low: { patches: 16, times: 4 } },
        },
      },
      'dall-e-3': { shutdownDate: null },
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['invalid JSON', '{', /^FILE: is not valid JSON/],
    ['a list', [], /^FILE: the file: must be an object of models by id/],
    ['an unknown field', { m: { prices: null } }, /^FILE: m: has no field prices; .*pricing/],
    ['an invalid size', { m: { sizes: ['1024×1024'] } }, /^FILE: m\.sizes\.0: must be WIDTHxHEIGHT/],
    ['an empty list of sizes', { m: { sizes: [] } }, /^FILE: m\.sizes: /],
    [
      'bounds that no size satisfies',
      { m: { sizes: { step: 64, minSide: 65, maxSide: 127 } } },
      /^FILE: m\.sizes: no size/,
    ],
    ['an unknown quality', { m: { qualities: ['best'] } }, /^FILE: m\.qualities\.0: .*"high"/],
    ['an invalid day', { m: { shutdownDate: '2026-02-30' } }, /^FILE: m\.shutdownDate: must be a day/],
    ['a price without a kind', { m: { pricing: { usd: 1 } } }, /^FILE: m\.pricing\.kind: must have the kind/],
    [
      'a negative price',
      { m: { pricing: { kind: 'picture', usd: -1, ...price } } },
      /^FILE: m\.pricing\.usd: must be US/,
    ],
    [
      'a price without a day',
      { m: { pricing: { kind: 'picture', usd: 1, source: 'x' } } },
      /^FILE: m\.pricing\.date: /,
    ],
    [
      'token counts without auto',
      { m: { pricing: { kind: 'tokens', textInput: 1, imageOutput: 1, outputTokens: { low: 1 }, ...price } } },
      /^FILE: m\.pricing\.outputTokens: must have auto/,
    ],
    ...(
      [
        [
          '900',
          /^FILE: m\.pricing\.outputTokens\.auto: must be the tokens of a 1536x1024 picture, .*\{"patches": 96\}$/,
        ],
        [-1, /^FILE: m\.pricing\.outputTokens\.auto: .*>=0$/],
        [{ patches: 0 }, /^FILE: m\.pricing\.outputTokens\.auto\.patches: .*>=1$/],
        [{ patches: 96, times: 0 }, /^FILE: m\.pricing\.outputTokens\.auto\.times: .*>0$/],
        [{ patches: 96, factor: 4 }, /^FILE: m\.pricing\.outputTokens\.auto: has no field factor/],
      ] as const
    ).map(([auto, issue]): [string, unknown, RegExp] => [
      `the token count ${JSON.stringify(auto)}`,
      { m: { pricing: { kind: 'tokens', textInput: 1, imageOutput: 1, outputTokens: { auto }, ...price } } },
      issue,
    ]),
  ])('refuses %s, naming file, path and what is allowed', async (_, content, issue) => {
    expect(await read(content)).toEqual({ issues: [expect.stringMatching(issue)] });
  });

  it('reports all issues together, and a missing file', async () => {
    const file = await read({ a: { promptLimit: 0 }, b: { formats: ['gif'] } });
    expect('issues' in file && file.issues).toHaveLength(2);
    expect(readCatalogFile('/nowhere/models.json')).toEqual({ issues: ['/nowhere/models.json: cannot be read'] });
  });
});
