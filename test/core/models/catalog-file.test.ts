import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../../src/core/models/catalog-file.ts';

const price = { date: '2026-11-22', source: "the provider's page" };

describe('parseCatalog', () => {
  it('reads every fact of a model, and fills in defaults of sizes and prices', async () => {
    const file = parseCatalog({
      'my-flux': {
        sizes: ['512x512', '1024x768'],
        qualities: ['low', 'high'],
        styles: null,
        backgrounds: ['opaque'],
        formats: ['png'],
        promptLimit: 2000,
        maxPictures: 4,
        partialImages: 0,
        options: ['compression', 'safetyIdentifier'],
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
        options: ['compression', 'safetyIdentifier'],
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
    ['a list', [], /^the file: must be an object of models by id/],
    ['an unknown field', { m: { prices: null } }, /^m: has no field prices; .*pricing/],
    ['an invalid size', { m: { sizes: ['1024×1024'] } }, /^m\.sizes\.0: must be WIDTHxHEIGHT/],
    ['an empty list of sizes', { m: { sizes: [] } }, /^m\.sizes: /],
    ['bounds that no size satisfies', { m: { sizes: { step: 64, minSide: 65, maxSide: 127 } } }, /^m\.sizes: no size/],
    ['an unknown quality', { m: { qualities: ['best'] } }, /^m\.qualities\.0: must be auto, .*high/],
    ['an invalid day', { m: { shutdownDate: '2026-02-30' } }, /^m\.shutdownDate: must be a day/],
    ['a price without a kind', { m: { pricing: { usd: 1 } } }, /^m\.pricing\.kind: must have the kind/],
    ['a negative price', { m: { pricing: { kind: 'picture', usd: -1, ...price } } }, /^m\.pricing\.usd: must be US/],
    ['a price without a day', { m: { pricing: { kind: 'picture', usd: 1, source: 'x' } } }, /^m\.pricing\.date: /],
    [
      'token counts without auto',
      { m: { pricing: { kind: 'tokens', textInput: 1, imageOutput: 1, outputTokens: { low: 1 }, ...price } } },
      /^m\.pricing\.outputTokens: must have auto/,
    ],
    ...(
      [
        ['900', /^m\.pricing\.outputTokens\.auto: must be the tokens of a 1536x1024 picture, .*\{"patches": 96\}$/],
        [-1, /^m\.pricing\.outputTokens\.auto: must be 0 or more$/],
        [{ patches: 0 }, /^m\.pricing\.outputTokens\.auto\.patches: must be 1 or more$/],
        [{ patches: 96, times: 0 }, /^m\.pricing\.outputTokens\.auto\.times: must be above 0$/],
        [{ patches: 96, factor: 4 }, /^m\.pricing\.outputTokens\.auto: has no field factor/],
      ] as const
    ).map(([auto, issue]): [string, unknown, RegExp] => [
      `the token count ${JSON.stringify(auto)}`,
      { m: { pricing: { kind: 'tokens', textInput: 1, imageOutput: 1, outputTokens: { auto }, ...price } } },
      issue,
    ]),
  ])('refuses %s, naming the path and what is allowed', (_, content, issue) => {
    expect(parseCatalog(content)).toEqual({ issues: [expect.stringMatching(issue)] });
  });

  it('reports all issues together', () => {
    const file = parseCatalog({ a: { promptLimit: 0 }, b: { formats: ['gif'] } });
    expect('issues' in file && file.issues).toHaveLength(2);
  });
});
