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
const choose = (retires: boolean, own: string | null = null) =>
  createModelLookup({ catalog, defaultModel: 'gpt-image-2', ownModel: own, followsShutdownDates: retires });

describe('chooseModel', () => {
  it.each([
    ['dall-e-3', '2026-05-12', null],
    ['old', '2026-05-12', null],
    ['dall-e-2', '2028-01-01', '2028-01-01'],
    ['my-own', '2027-01-01', '2027-01-01'],
    ['gpt-image-2', null, null],
  ])(
    'has the date of %s as OpenAI keeps it, and on other servers only as the operator wrote it',
    (id, openai, other) => {
      expect(choose(true)(id)?.shutdownDate).toBe(openai);
      expect(choose(false)(id)?.shutdownDate).toBe(other);
    },
  );

  it('stands in with a model of its own for the standard one, and for no other', () => {
    const model = choose(false, 'my-own');
    expect(['gpt-image-2', 'my-own', 'dall-e-3'].map((id) => model(id)?.id)).toEqual(['my-own', 'my-own', undefined]);
    expect(choose(false, 'unheard-of')('gpt-image-2')?.id).toBe('unheard-of');
  });
});
