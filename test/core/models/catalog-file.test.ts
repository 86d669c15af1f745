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
  return 'issues' in file ? { issues: file.issues.map((fault) => fault.replace(path, 'FILE')) } : file;
}

describe('readCatalogFile', () => {
  it('reads every fact of a model, filling in what a rule or a price leaves out', async () => {
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
        pricing: { cachedTextInput: null, imageInput: 0 },
      },
      'dall-e-3': { shutdownDate: null },
    });
  });

  it.each([
    ['no JSON', '{', /^FILE: is not valid JSON/],
    ['a list', [], /^FILE: the file: must be an object of models by id/],
    ['a misspelt fact', { m: { prices: null } }, /^FILE: m: has no prices; .*pricing/],
    ['a size by another name', { m: { sizes: ['1024×1024'] } }, /^FILE: m\.sizes\.0: must be WIDTHxHEIGHT/],
    ['no sizes', { m: { sizes: [] } }, /^FILE: m\.sizes: /],
    [
      'a rule that nothing keeps',
      { m: { sizes: { step: 64, minSide: 65, maxSide: 127 } } },
      /^FILE: m\.sizes: no size/,
    ],
    ['a quality by another name', { m: { qualities: ['best'] } }, /^FILE: m\.qualities\.0: .*"high"/],
    ['a day that is none', { m: { shutdownDate: '2026-02-30' } }, /^FILE: m\.shutdownDate: must be a day/],
    ['a price of no kind', { m: { pricing: { usd: 1 } } }, /^FILE: m\.pricing\.kind: must have the kind/],
    [
      'a price below nothing',
      { m: { pricing: { kind: 'picture', usd: -1, ...price } } },
      /^FILE: m\.pricing\.usd: must be US/,
    ],
    ['a price of no day', { m: { pricing: { kind: 'picture', usd: 1, source: 'x' } } }, /^FILE: m\.pricing\.date: /],
    [
      'tokens without auto',
      { m: { pricing: { kind: 'tokens', textInput: 1, imageOutput: 1, outputTokens: { low: 1 }, ...price } } },
      /^FILE: m\.pricing\.outputTokens: must have auto/,
    ],
  ])('refuses %s, naming file, path and what is right', async (_, content, fault) => {
    expect(await read(content)).toEqual({ issues: [expect.stringMatching(fault)] });
  });

  it('names every fault at once, and a file that is not there', async () => {
    const file = await read({ a: { promptLimit: 0 }, b: { formats: ['gif'] } });
    expect('issues' in file && file.issues).toHaveLength(2);
    expect(readCatalogFile('/nowhere/models.json')).toEqual({ issues: ['/nowhere/models.json: cannot be read'] });
  });
});
