import { describe, expect, test } from 'vitest';
import type { Size } from '../../../src/core/domain/geometry.ts';
import type { Model } from '../../../src/core/domain/model.ts';
import { createCallDefaults } from '../../../src/core/images/call-defaults.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { isLegalSize } from '../../../src/core/planning/size-negotiation.ts';

const provider = (...ids: readonly string[]) => ({
  model: (id: string): Model | null => (ids.includes(id) ? (CATALOG.get(id) ?? null) : null),
});

function sizeFor(model: string | null, size: Size, providers = [provider('gpt-image-2'), provider('gpt-image-1.5')]) {
  return createCallDefaults({ providers, defaults: { model: 'gpt-image-2', size } }).sizeFor(model);
}

describe('the size of a call that names none', () => {
  test('is the default size where the model makes it', () => {
    expect(sizeFor(null, { width: 1792, height: 1024 })).toEqual({ width: 1792, height: 1024 });
  });

  test('is a size of nearly the same shape that the model makes, where it does not make the default one', () => {
    const size = sizeFor('gpt-image-2', { width: 1200, height: 675 });
    const rule = CATALOG.get('gpt-image-2')?.sizes;
    expect(rule && isLegalSize(size, rule)).toBe(true);
    expect(size.width / size.height).toBeCloseTo(1200 / 675, 1);
  });

  test('is one of those in the list of a model that has one, of the provider that offers it', () => {
    expect(sizeFor('gpt-image-1.5', { width: 1792, height: 1024 })).toEqual({ width: 1536, height: 1024 });
  });

  test('is the default size for a model that no provider offers: submitting it is refused', () => {
    expect(sizeFor('paint-9', { width: 1200, height: 675 })).toEqual({ width: 1200, height: 675 });
  });
});
