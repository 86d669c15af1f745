import { expect, it } from 'vitest';
import type { z } from 'zod';
import { modelList } from '../../../src/api/models.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openAiError } from '../../support/openai/answers.ts';

const list = async (easel: Easel): Promise<z.output<typeof modelList>['items']> =>
  modelList.parse(await (await easel.get('/models')).json()).items;

it('lists every model of every provider once, under a name that a request may use', async () => {
  await using easel = await startEasel({
    env: {
      PROVIDERS: 'openai,own,placeholder',
      PROVIDER_OWN_BASE_URL: 'http://127.0.0.1:9/v1',
      PROVIDER_OWN_MODEL: 'sdxl-local',
      MODEL_ALIASES: 'house=gpt-image-2',
      IMAGE_MODEL: 'house',
    },
  });
  const items = await list(easel);
  const named = items.map(({ provider, id }) => `${provider} ${id}`);
  expect(new Set(named).size).toBe(named.length);
  expect(named[0]).toBe('openai gpt-image-2');
  expect(named).toContain('openai dall-e-3');
  expect(named.slice(-2)).toEqual(['own sdxl-local', 'placeholder placeholder']);
  expect(items.find(({ id }) => id === 'gpt-image-2')).toMatchObject({
    sizes: { kind: 'range', sideStep: 16, maxSide: 3840, maxRatio: 3 },
    qualities: ['auto', 'low', 'medium', 'high'],
    formats: ['png', 'jpeg', 'webp'],
    edits: { maxInputs: 16, maxInputBytes: 50_000_000, maxMaskBytes: 4_000_000 },
    prices: { kind: 'tokens', textInputUsdPerMillionTokens: 5, imageOutputUsdPerMillionTokens: 30 },
    shutdownDate: null,
    usable: true,
  });
  expect(items.find(({ id }) => id === 'dall-e-3')).toMatchObject({
    sizes: { kind: 'list', sizes: ['1024x1024', '1792x1024', '1024x1792'] },
    edits: null,
    prices: null,
    shutdownDate: '2026-05-12',
    usable: false,
  });
  expect(items.find(({ id }) => id === 'placeholder')).toMatchObject({ prices: { kind: 'picture', usdPerPicture: 0 } });
  for (const { id: model, provider, usable } of items) {
    const preview = await fetch(`${easel.url}/images/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a', size: '1024x1024', model, provider }),
    });
    expect([provider, model, preview.status]).toEqual([provider, model, usable ? 200 : 422]);
  }
});

it('says that the models of a provider whose circuit breaker is open cannot be used', async () => {
  await using easel = await startEasel({ env: { PROVIDERS: 'openai,placeholder' } });
  easel.upstream.always(openAiError('invalid_api_key'));
  await easel.post({ prompt: 'a', provider: 'openai' });
  const usable = (await list(easel)).filter((model) => model.usable);
  expect(usable.map(({ provider }) => provider)).toEqual(['placeholder']);
});
