import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { part, submit } from '../support/app/inputs.ts';
import { texturedPicture } from '../support/pictures.ts';

const prompt = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).map((text) => `a tower ${text}`);
const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => `x${text}`);
/** A field that is left out, null, or given. */
const given = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 2, nil: undefined });
const brief = fc.record(
  {
    subject: word,
    style: word,
    mood: fc.oneof(word, fc.constant(' ')),
    palette: fc.array(word, { maxLength: 2 }),
    composition: word,
    lighting: word,
    avoid: fc.subarray(['text', 'letters', 'people', 'logos']),
    text: word,
  },
  { requiredKeys: ['subject'] },
);
const size = fc.constantFrom('64x40', '64x64', '80x48', '48x80');

/** A body of `POST /images` without pictures; every field is as a caller may leave or write it. */
const body = fc
  .record({
    words: fc.oneof(fc.record({ prompt }), fc.record({ brief })),
    more: fc.record({
      preset: given(fc.constantFrom('article-hero', 'icon', 'product@1')),
      model: given(fc.constantFrom('gpt-image-2', 'gpt-image-1-mini')),
      provider: given(fc.constant('placeholder')),
      quality: given(fc.constantFrom('auto', 'low', 'medium')),
      style: given(fc.constantFrom('vivid', 'in gouache')),
      background: given(fc.constantFrom('auto', 'opaque')),
      format: given(fc.constantFrom('png', 'webp', 'jpeg')),
      renditions: given(fc.uniqueArray(fc.constantFrom('32x20.png', '32x32.webp'), { maxLength: 2 })),
      partials: given(fc.integer({ min: 0, max: 3 })),
      metadata: given(fc.dictionary(word, word, { maxKeys: 2 })),
      labels: given(fc.uniqueArray(fc.oneof(word, fc.constant('pinned')), { maxLength: 3 })),
      ttlSeconds: given(fc.integer({ min: 60, max: 100_000 })),
      inputs: given(fc.subarray(['logo', 'chair', 'made'] as const)),
      isMasked: fc.boolean(),
    }),
    size,
  })
  .map(({ words, more, size }) => ({ ...words, ...more, size }));

const pictures = { logo: await tower('logo'), chair: await tower('chair'), mask: await tower('mask', true) };

async function tower(seed: string, transparent = false) {
  return await texturedPicture({ width: 64, height: 40, seed, transparent });
}

type Body = typeof body extends fc.Arbitrary<infer T> ? T : never;

/** Has the picture of a body made, as a caller who sends its files would. */
async function make(easel: Easel, mediaId: string, { inputs: named, isMasked, ...fields }: Body) {
  if (named === undefined || named.length === 0) return await easel.post({ ...fields, mediaId });
  const form = new FormData();
  const file = (name: keyof typeof pictures) => {
    form.set(name, new Blob([new Uint8Array(pictures[name])]), `${name}.png`);
    return { file: name };
  };
  const inputs = named.map((name) => (name === 'made' ? { mediaId: 'made' } : file(name)));
  // A mask has the size of the first input, which the master of `made` has too.
  const request = { ...fields, mediaId, inputs, ...(isMasked && { mask: file('mask') }) };
  form.set('request', JSON.stringify(request));
  const response = await fetch(`${easel.url}/images`, { method: 'POST', body: form });
  return { status: response.status, body: (await response.json()) as Awaited<ReturnType<Easel['post']>>['body'] };
}

it('the request of a record is a body again: the same request for the same picture, and an equal one for another', async () => {
  await using easel = await startEasel({ env: { PROVIDERS: 'placeholder', IMAGE_RENDITIONS: '32x20.png,32x20.png' } });
  await submit(easel, { mediaId: 'made', size: { width: 64, height: 40 }, inputs: [part(pictures.chair)] });
  let made = 0;
  await fc.assert(
    fc.asyncProperty(body, async (asked) => {
      made += 1;
      const mediaId = `x-${made}`;
      const first = await make(easel, mediaId, asked);
      expect([first.status, first.body.detail]).toEqual([201, undefined]);
      const { request } = first.body;
      const again = await easel.post({ ...request, mediaId });
      expect([again.status, again.body]).toEqual([200, first.body]);
      const other = await easel.post({ ...request, mediaId: `${mediaId}-other` });
      expect([other.status, other.body.detail, other.body.request]).toEqual([201, undefined, request]);
    }),
    { numRuns: 15, seed: 18 },
  );
});
