import { describe, expect, it } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import type { Provider } from '../../../src/core/ports/provider.ts';
import { planFor } from '../../../src/core/upstream/provider-plan.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { anInput } from '../../support/edit-inputs.ts';

const NOW = Date.UTC(2026, 3, 1);
const request = { ...exampleImage().request, model: 'gpt-image-2', brief: null };

function providerWith(some: Partial<Provider>): Provider {
  return {
    name: 'local',
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: true,
    controlSequences: [],
    model: (id) => CATALOG.get(id) ?? null,
    generate: () => Promise.reject(new Error('is not called')),
    download: () => Promise.reject(new Error('is not called')),
    ...some,
  };
}

describe('the plan for a provider', () => {
  it('warns that the size is dropped where the provider chooses it', () => {
    const { warnings } = planFor(providerWith({ supportsSize: false }), request, NOW);
    expect(warnings).toContainEqual({ code: 'parameter_dropped', detail: 'size is not a parameter of local' });
  });

  it('replaces control sequences of the provider by spaces, in any case of letters, and warns', () => {
    const provider = providerWith({ controlSequences: ['<lora>'] });
    const { call, warnings } = planFor(provider, { ...request, prompt: 'a <LORA>lighthouse <lo<lora>ra>' }, NOW);
    expect(call.prompt).toContain('a  lighthouse <lo ra>');
    expect(warnings).toContainEqual({
      code: 'prompt_changed',
      detail: 'texts that local takes for commands were taken out',
    });
  });

  it('is the one for the model where the provider takes all of it', () => {
    expect(planFor(providerWith({}), request, NOW).warnings).toEqual([]);
  });

  it('is refused for an edit where the provider does not edit', () => {
    const row = CATALOG.get('gpt-image-2');
    if (row === undefined) throw new Error('the catalog has no gpt-image-2');
    const edit = { ...request, inputs: [anInput({ width: 64, height: 64 })] };
    expect(planFor(providerWith({}), edit, NOW).call.edit?.inputs).toEqual(edit.inputs);
    expect(() => planFor(providerWith({ model: () => ({ ...row, edits: null }) }), edit, NOW)).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', paths: [expect.objectContaining({ path: 'inputs' })] }),
    );
  });

  it.each([
    ['the provider does not have', null, 'local has no model gpt-image-2'],
    ['has been shut down', { shutdownDate: '2026-03-31', successor: 'next' }, 'gpt-image-2'],
  ])('is refused for a model that %s', (_, change, detail) => {
    const row = CATALOG.get('gpt-image-2');
    if (row === undefined) throw new Error('the catalog has no gpt-image-2');
    const provider = providerWith({ model: () => change && { ...row, ...change } });
    expect(() => planFor(provider, request, NOW)).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', message: expect.stringContaining(detail) }),
    );
  });
});
