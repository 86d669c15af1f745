import { ALGORITHMIC_MEDIA } from '../../../core/domain/digital-source.ts';
import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize, type Size } from '../../../core/domain/geometry.ts';
import type { Input } from '../../../core/domain/input.ts';
import type { Model } from '../../../core/domain/model.ts';
import type { EditParts, GenerationOptions, Provider } from '../../../core/ports/provider.ts';
import type { StartingPictures } from './edit.ts';
import type { Paint } from './painting-threads.ts';

interface PlaceholderOptions {
  /** The configured default model, which the catalog need not list. */
  readonly model: string;
  /** Catalog rows by model id. */
  readonly catalog: Pick<ReadonlyMap<string, Model>, 'get'>;
  readonly paint: Paint;
}

/**
 * A provider that runs locally, so that the service can be tried and tested without an API key. It paints an abstract
 * picture from the prompt, or tints the pictures of an edit: the same bytes for the same call.
 */
export function createPlaceholderProvider({ model: configured, catalog, paint }: PlaceholderOptions): Provider {
  return {
    name: 'placeholder',
    digitalSourceType: ALGORITHMIC_MEDIA,
    supportsSize: true,
    controlSequences: [],
    // Accepts every listed model and keeps its shutdown date, so that requests are accepted and refused as with a real
    // provider. The row's id stays `placeholder`: the record says what made the picture.
    model(id) {
      const listed = catalog.get(id);
      if (listed) return { ...PLACEHOLDER, shutdownDate: listed.shutdownDate, successor: listed.successor };
      return id === configured || id === PLACEHOLDER.id ? PLACEHOLDER : null;
    },
    // Its answers hold their pictures.
    async download() {
      throw new ProviderError('empty', 'placeholder has no pictures to fetch');
    },
    async generate(call, options) {
      const signal = AbortSignal.any([options.cancelled, options.abandoned]);
      refuseIllegalSize(call.size);
      throwIfCancelled(signal);
      const { prompt, size, format } = call;
      const start = call.edit && startingPictures(call.edit, options.inputBytes);
      const painting = paint({ prompt, size, format: format ?? 'png', ...(start && { start }) });
      const painted = await unlessCancelled(painting, signal);
      return { ...painted, revisedPrompt: null, usage: null, httpStatus: null, providerRequestId: null, pauseMs: null };
    },
  };
}

/** The pictures that an edit starts from. Raises `ProviderError` where their bytes are not there. */
function startingPictures({ inputs, mask }: EditParts, bytes: GenerationOptions['inputBytes']): StartingPictures {
  const bytesOf = ({ sha256 }: Input) => {
    const found = bytes?.get(sha256);
    if (found === undefined) throw new ProviderError('rejected', `the bytes of the input ${sha256} are not there`);
    return found;
  };
  const [first, ...others] = inputs.map(bytesOf);
  if (first === undefined) throw new ProviderError('rejected', 'an edit starts from a picture, and there is none');
  return { inputs: [first, ...others], mask: mask && bytesOf(mask) };
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
  options: [],
  edits: { images: 16, imageBytes: 50_000_000, maskBytes: 4_000_000 },
  shutdownDate: null,
  successor: null,
  pricing: { kind: 'picture', usd: 0, date: '2026-11-22', source: 'painted here, free of charge' },
};

function refuseIllegalSize(size: Size): void {
  const legal = [size.width, size.height].every(
    (side) => Number.isInteger(side) && side >= MIN_SIDE && side <= MAX_SIDE,
  );
  if (!legal) throw new ProviderError('rejected', `placeholder cannot paint ${formatSize(size)}`);
}

/** The painting may wait for a thread, which a cancelled call does not. */
async function unlessCancelled<T>(painting: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const painted = await Promise.race([painting, cancelled]);
    throwIfCancelled(signal);
    return painted as T;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new ProviderError('cancelled', 'the call was cancelled', { cause: signal.reason });
}
