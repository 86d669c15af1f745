import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize, type Size } from '../../../core/domain/geometry.ts';
import type { Model } from '../../../core/domain/model.ts';
import type { Provider } from '../../../core/ports/provider.ts';
import { paint } from './painting.ts';

export interface PlaceholderOptions {
  /** The model that the service is configured for; it may be one that the catalog does not list. */
  readonly model: string;
  /** The models that there are, by id. */
  readonly catalog: Pick<ReadonlyMap<string, Model>, 'get'>;
}

/**
 * A provider that calls nobody: it paints an abstract picture from the prompt, the same bytes for the same prompt,
 * size and format. So the service can be tried, and tested, without a key.
 */
export function createPlaceholderProvider({ model: configured, catalog }: PlaceholderOptions): Provider {
  return {
    name: 'placeholder',
    supportsSize: true,
    controlSequences: [],
    // It stands in for the model that was asked for, and so is asked only for models that there are, and are still
    // served; the row's own id, which goes into the record, says who really painted.
    model(id) {
      const listed = catalog.get(id);
      if (listed) return { ...PLACEHOLDER, shutdownDate: listed.shutdownDate, successor: listed.successor };
      return id === configured || id === PLACEHOLDER.id ? PLACEHOLDER : null;
    },
    async generate(call, { signal }) {
      refuseIllegalSize(call.size);
      throwIfCancelled(signal);
      const bytes = await paint(call.prompt, call.size, call.format ?? 'png');
      throwIfCancelled(signal);
      return { bytes, revisedPrompt: null, usage: null, httpStatus: null, providerRequestId: null, pauseMs: null };
    },
  };
}

const MIN_SIDE = 16;
const MAX_SIDE = 4096;

const PLACEHOLDER: Model = {
  id: 'placeholder',
  alias: null,
  sizes: {
    kind: 'range',
    step: 1,
    minSide: MIN_SIDE,
    maxSide: MAX_SIDE,
    minPixels: MIN_SIDE ** 2,
    maxPixels: MAX_SIDE ** 2,
    maxRatio: MAX_SIDE / MIN_SIDE,
  },
  qualities: null,
  styles: null,
  backgrounds: null,
  formats: ['png', 'jpeg', 'webp'],
  promptLimit: 32_000,
  maxPictures: 1,
  partialImages: 0,
  edits: null,
  shutdownDate: null,
  successor: null,
  pricing: { kind: 'picture', usd: 0, date: '2026-11-22', source: 'painted here, free of charge' },
};

function refuseIllegalSize(size: Size): void {
  const legal = [size.width, size.height].every(
    (side) => Number.isInteger(side) && side >= MIN_SIDE && side <= MAX_SIDE,
  );
  if (!legal) throw new ProviderError('rejected', `placeholder does not paint ${formatSize(size)}`);
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new ProviderError('cancelled', 'the call was cancelled', { cause: signal.reason });
}
