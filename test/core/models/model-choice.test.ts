import { describe, expect, it } from 'vitest';
import { createCatalog } from '../../../src/core/models/catalog.ts';
import { createModelLookup } from '../../../src/core/models/model-choice.ts';

const catalog = createCatalog({
  models: new Map([
    ['my-own', { shutdownDate: '2027-01-01' }],
    ['dall-e-2', { shutdownDate: '2028-01-01' }],
  ]),
  aliases: new Map([['old', 'dall-e-3']]),
});
const lookup = (followsShutdownDates: boolean, ownModel: string | null = null) =>
  createModelLookup({ catalog, defaultModel: 'gpt-image-2', ownModel, followsShutdownDates });

describe('createModelLookup', () => {
  it.each([
    ['dall-e-3', '2026-05-12', null],
    ['old', '2026-05-12', null],
    ['dall-e-2', '2028-01-01', '2028-01-01'],
    ['my-own', '2027-01-01', '2027-01-01'],
    ['gpt-image-2', null, null],
  ])("dates %s by OpenAI's shutdown dates, and on other servers only by the operator's", (id, openai, other) => {
    expect(lookup(true)(id)?.shutdownDate).toBe(openai);
    expect(lookup(false)(id)?.shutdownDate).toBe(other);
  });

  it('serves an own model in place of the default model, and of no other', () => {
    const model = lookup(false, 'my-own');
    expect(['gpt-image-2', 'my-own', 'dall-e-3'].map((id) => model(id)?.id)).toEqual(['my-own', 'my-own', undefined]);
    expect(lookup(false, 'unlisted')('gpt-image-2')?.id).toBe('unlisted');
  });
});
