import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QUALITIES } from '../../../src/core/domain/formats.ts';
import { formatSize } from '../../../src/core/domain/geometry.ts';
import { CATALOG, createCatalog } from '../../../src/core/models/catalog.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';
import { servedModels } from '../../support/openai/dialect.ts';

const served = servedModels();
const ids = [...CATALOG.keys()].filter((id) => served.has(id));

describe('the built-in models', () => {
  it('are the current and former models of the API, dated snapshots aside, with its shutdown dates', () => {
    const ofApi = [...served].filter(([id]) => !/-\d{4}-\d{2}-\d{2}$/.test(id));
    const dates = new Map(ofApi.map(([id, { shutdownDate }]) => [id, shutdownDate]));
    expect(new Map([...CATALOG].map(([id, { shutdownDate }]) => [id, shutdownDate]))).toEqual(dates);
  });

  it('never lead to a parameter that the API refuses, for any size and quality', () => {
    const size = fc.record({ width: fc.integer({ min: 16, max: 1792 }), height: fc.integer({ min: 16, max: 1024 }) });
    fc.assert(
      fc.property(fc.constantFrom(...ids), size, fc.constantFrom(...QUALITIES), (id, target, quality) => {
        const model = CATALOG.get(id);
        if (!model) throw new Error(`no ${id}`);
        const { call } = planGeneration(aRequest({ model: id, size: target, quality }), model);
        const parameters = served.get(id)?.parameters ?? {};
        expect(parameters.size?.(formatSize(call.size), 'size')).toBeNull();
        if (call.quality !== null) expect(parameters.quality?.(call.quality, 'quality')).toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});

describe('createCatalog', () => {
  it('overrides facts of a built-in row, and bases a new row on an unlisted model', () => {
    const catalog = createCatalog({
      models: new Map([
        ['dall-e-3', { shutdownDate: null }],
        ['my-own', { promptLimit: 77 }],
      ]),
      aliases: new Map(),
    });
    expect(catalog.get('dall-e-3')).toMatchObject({ shutdownDate: null, styles: ['vivid', 'natural'] });
    expect(catalog.get('my-own')).toMatchObject({ id: 'my-own', promptLimit: 77, qualities: null, pricing: null });
    expect(CATALOG.get('dall-e-3')?.shutdownDate).toBe('2026-05-12');
  });

  it('finds the row of another model by an alias, which the plan warns about', () => {
    const catalog = createCatalog({ models: new Map(), aliases: new Map([['dall-e-3', 'gpt-image-2']]) });
    const model = catalog.get('dall-e-3');
    expect(model).toMatchObject({ id: 'gpt-image-2', alias: 'dall-e-3', shutdownDate: null });
    if (!model) return;
    const size = { width: 1024, height: 1024 };
    expect(planGeneration(aRequest({ model: 'dall-e-3', size }), model).warnings).toEqual([
      { code: 'model_mapped', detail: 'dall-e-3 was requested; MODEL_ALIASES maps it to gpt-image-2' },
    ]);
  });
});
