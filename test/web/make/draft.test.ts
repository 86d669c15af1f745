import { describe, expect, test } from 'vitest';
import { createImage } from '../../../src/api/create-image.ts';
import { type Draft, draftOf, EMPTY_DRAFT, filesOf, isDescribed, toRequest } from '../../../src/web/make/draft.ts';

const draft = (part: Partial<Draft>): Draft => ({ ...EMPTY_DRAFT, showsPartials: false, ...part });

describe('the request of a draft', () => {
  test('has what is filled in, and nothing else', () => {
    expect(toRequest(draft({ prompt: 'a lighthouse' }))).toEqual({ prompt: 'a lighthouse' });
  });

  test('has the parts of a brief, lists by their lines', () => {
    const brief = { ...EMPTY_DRAFT.brief, subject: 'a lighthouse', avoid: 'people\n\n  logos ' };
    expect(toRequest(draft({ isBrief: true, prompt: 'left over', brief }))).toEqual({
      brief: { subject: 'a lighthouse', avoid: ['people', 'logos'] },
    });
  });

  test.each([
    ['1792×1024', '1792x1024'],
    [' 1792 x 1024 ', '1792x1024'],
  ])('takes the size %s', (size, expected) => {
    expect(toRequest(draft({ prompt: 'p', size })).size).toBe(expected);
  });

  test.each([
    ['', undefined],
    ['none', []],
    ['1200x675.webp, 600x338.avif', ['1200x675.webp', '600x338.avif']],
  ])('has for the renditions "%s" %j', (renditions, expected) => {
    expect(toRequest(draft({ prompt: 'p', renditions })).renditions).toEqual(expected);
  });

  test('sends what is no number of days as something that the service refuses by name', () => {
    const body = createImage.safeParse(JSON.parse(JSON.stringify(toRequest(draft({ prompt: 'p', days: 'soon' })))));
    expect(body.error?.issues.map(({ path }) => path.join('.'))).toEqual(['ttlSeconds']);
  });

  test('names the files, which go as parts', () => {
    const blob = new File([], 'a.png');
    const made = draft({
      prompt: 'p',
      inputs: [{ file: 'file-1', blob }, { mediaId: 'hero' }],
      mask: { file: 'file-2', blob },
    });
    expect(toRequest(made)).toEqual({
      prompt: 'p',
      inputs: [{ file: 'file-1' }, { mediaId: 'hero' }],
      mask: { file: 'file-2' },
    });
    expect([...filesOf(made).keys()]).toEqual(['file-1', 'file-2']);
  });
});

test('a draft of blanks says nothing', () => {
  expect(isDescribed(draft({ prompt: ' \n' }))).toBe(false);
  expect(isDescribed(draft({ isBrief: true, prompt: 'of the other way' }))).toBe(false);
  expect(isDescribed(draft({ prompt: 'a lighthouse' }))).toBe(true);
});

test('the draft of a record makes the same request', () => {
  const request = {
    prompt: null,
    brief: { subject: 'a lighthouse', palette: ['teal', '#f2b705'] },
    preset: 'article-hero@1',
    model: 'gpt-image-2',
    provider: null,
    size: '1792x1024',
    quality: 'high' as const,
    style: null,
    background: 'auto' as const,
    format: 'png' as const,
    renditions: [],
    inputs: [{ sha256: 'a'.repeat(64) }],
    partials: 2,
    metadata: { article: '42' },
    labels: ['a, b', 'blog'],
    ttlSeconds: 129_600,
    webhookUrl: 'https://hooks.example/…',
  };
  const { webhookUrl, ...rest } = request;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  expect(toRequest(draftOf({ request }))).toEqual(given);
});
