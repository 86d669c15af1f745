import { type BytesInHand, refuseMore } from '../domain/bytes-in-hand.ts';
import { ImageError } from '../domain/errors.ts';
import { inputName, sha256 } from '../domain/file-names.ts';
import { formatSize } from '../domain/geometry.ts';
import type { GivenInput, Input } from '../domain/input.ts';
import type { EditLimits } from '../domain/model.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import type { Imaging } from '../ports/imaging.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { InputHolds } from './input-holds.ts';
import { createReadInput, type InputSourcesDeps, type ReadOptions, sourceOf } from './input-sources.ts';

/** The inputs of one request: checked, in memory, and not yet stored. Dispose of them once the request is accepted, or is not. */
export interface TakenInputs extends Disposable {
  /** The request with its inputs and its mask. */
  readonly request: ImageRequest;
  /**
   * Stores the inputs durably, and keeps them there until they are disposed of. Call it before the image is accepted: its record then
   * never names a missing input. Raises `storage_full` or `storage_unavailable`.
   */
  store(): Promise<void>;
  /**
   * Removes what was stored and no record names, and disposes of the rest. For a request that is known not to have been accepted: where
   * that is unknown, the inputs stay, and a cleanup sees to them. What cannot be removed is left to that, too.
   */
  discard(): Promise<void>;
}

/**
 * Reads and checks the pictures that a request brings; `request` is what its other fields were resolved to. Nothing is written or paid.
 * Every error of `ImageError` names the input by its path, such as `inputs.2` or `mask`: `unsupported_parameter` where no model that can be
 * called takes so many, `invalid_request` for what is no sound picture, a mask that does not fit, or a URL that brings none,
 * `payload_too_large`, also for all of them together, `not_found` and `media_id_conflict`. `queue_full` where other requests' pictures take
 * all the memory.
 */
export type TakeInputs = (
  create: CreateImage,
  request: ImageRequest,
  caller: Caller,
  options?: TakeOptions,
) => Promise<TakenInputs>;

interface TakeOptions {
  /**
   * True where the pictures are to be compared with those of an earlier request, which may be done: no model need take them any more. False
   * by default.
   */
  readonly toCompare?: boolean;
}

interface IntakeDeps extends InputSourcesDeps {
  readonly store: Pick<MediaStore, 'read' | 'put' | 'remove'>;
  readonly holds: InputHolds;
  readonly imaging: Pick<Imaging, 'inspect'>;
  /** The bytes of the presets' reference pictures, by their SHA-256; they were checked at the start. */
  readonly references: ReadonlyMap<string, Uint8Array>;
  /** The limits on so many inputs of the request. Raises `unsupported_parameter` where no model takes them. */
  readonly limitsOf: (request: ImageRequest, inputs: number) => EditLimits;
  /** Room for the pictures that requests read, without those that came with a request. No request has more pictures than all of it. */
  readonly inHand: BytesInHand;
}

/** An input as it was given, and what is asked of it. */
interface Expected {
  readonly given: GivenInput;
  readonly path: string;
  readonly maxBytes: number;
}

/** A checked input, and its bytes. */
interface Taken {
  readonly input: Input;
  readonly hasAlpha: boolean;
  readonly bytes: Uint8Array;
}

export function createTakeInputs({ holds, imaging, references, limitsOf, inHand, ...sources }: IntakeDeps): TakeInputs {
  const { store } = sources;
  const read = createReadInput(sources);

  async function take({ given, maxBytes }: Expected, options: Omit<ReadOptions, 'maxBytes'>): Promise<Taken> {
    const bytes = await read(given, { ...options, maxBytes });
    const { hasAlpha, ...picture } = await imaging.inspect(bytes);
    if ('sha256' in given && given.sha256 !== picture.sha256) {
      throw new ImageError(
        'storage_unavailable',
        `the stored input ${given.sha256} is damaged; send the picture again`,
      );
    }
    const input: Input = { ...picture, bytes: bytes.byteLength, source: sourceOf(given, picture.sha256) };
    return { input, hasAlpha, bytes };
  }

  /** Takes all at once. The first that is wrong, in their order, says why; none is still read then. */
  async function takeAll(
    expected: readonly Expected[],
    options: Omit<ReadOptions, 'maxBytes'>,
  ): Promise<readonly Taken[]> {
    const results = await Promise.allSettled(expected.map((one) => take(one, options)));
    return results.map((result, index) => {
      if (result.status === 'fulfilled') return result.value;
      throw namingPath(result.reason, expected[index]?.path ?? 'inputs');
    });
  }

  /** Stores what the request brings, and what its preset does where an earlier request has not. */
  async function storeAll(request: ImageRequest, taken: readonly Taken[]): Promise<Disposable> {
    const files = new Map(taken.map(({ input, bytes }) => [inputName(input.sha256), bytes]));
    const ofPreset = (request.references ?? []).filter(({ sha256 }) => !files.has(inputName(sha256)));
    const held = await holds.hold([...files.keys(), ...ofPreset.map(({ sha256 }) => inputName(sha256))]);
    try {
      for (const [name, bytes] of files) await store.put(name, bytes);
      for (const { sha256 } of ofPreset) await storeReference(sha256);
      return held;
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
  }

  async function storeReference(hash: string): Promise<void> {
    const bytes = references.get(hash);
    const name = inputName(hash);
    const stored = await store.read(name);
    if (bytes !== undefined && (stored === null || sha256(stored) !== hash)) await store.put(name, bytes);
  }

  function taking(request: ImageRequest, taken: readonly Taken[], kept = new DisposableStack()): TakenInputs {
    let isStored = false;
    return {
      request,
      async store() {
        kept.use(await storeAll(request, taken));
        isStored = true;
      },
      async discard() {
        // Its own hold would keep the removal waiting.
        kept.dispose();
        const names = taken.map(({ input }) => inputName(input.sha256));
        if (isStored) await store.remove(names).catch(() => undefined);
      },
      [Symbol.dispose]: () => kept.dispose(),
    };
  }

  return async (create, request, caller, { toCompare = false } = {}) => {
    const given = create.inputs ?? [];
    const givenMask = create.mask ?? null;
    if (given.length === 0) {
      refuseLoneMask(givenMask);
      return taking(request, []);
    }
    const anyBytes = { imageBytes: inHand.limit, maskBytes: inHand.limit };
    const { imageBytes, maskBytes } = toCompare ? anyBytes : limitsOf(request, given.length);
    const expected = given.map((one, index) => ({ given: one, path: `inputs.${index}`, maxBytes: imageBytes }));
    if (givenMask !== null) expected.push({ given: givenMask, path: 'mask', maxBytes: maskBytes });

    using resources = new DisposableStack();
    const hand = resources.use(inHand.open());
    const taken = await takeAll(expected, { caller, hand });
    refuseTooManyBytes([...taken.map(({ input }) => input), ...(request.references ?? [])], inHand.limit);
    const mask = givenMask === null ? null : taken.at(-1);
    const pictures = taken.slice(0, given.length);
    if (mask) refuseUnfitMask(mask, pictures[0]);
    const inputs = pictures.map(({ input }) => input);
    return taking({ ...request, inputs, ...(mask && { mask: mask.input }) }, taken, resources.move());
  };
}

function refuseLoneMask(mask: GivenInput | null): void {
  if (mask !== null) {
    throw namingPath(
      new ImageError('invalid_request', 'a mask is for the first of the inputs, and there are none'),
      'mask',
    );
  }
}

/** Raises `payload_too_large` for pictures that no call could have in memory together. */
function refuseTooManyBytes(pictures: readonly Input[], limit: number): void {
  const sizes = new Map(pictures.map(({ sha256, bytes }) => [sha256, bytes]));
  try {
    refuseMore(
      [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
      limit,
    );
  } catch (error) {
    throw namingPath(error, 'inputs');
  }
}

/** Raises `invalid_request` for a mask that image models do not take: it is a PNG with alpha, of the first input's size. */
function refuseUnfitMask({ input: mask, hasAlpha }: Taken, first: Taken | undefined): void {
  const refuse = (detail: string) => namingPath(new ImageError('invalid_request', detail), 'mask');
  if (mask.format !== 'png' || !hasAlpha) {
    throw refuse('the mask must be a png with an alpha channel, whose transparent parts are painted anew');
  }
  if (first && (mask.width !== first.input.width || mask.height !== first.input.height)) {
    throw refuse(
      `the mask is ${formatSize(mask)}; it must have the size of the first input, ${formatSize(first.input)}`,
    );
  }
}

/** The error with the input that it is about. A picture that cannot be read is the caller's, so the request is at fault. */
function namingPath(error: unknown, path: string): unknown {
  if (!(error instanceof ImageError)) return error;
  const { message, retryAfterSeconds, mediaId } = error;
  return new ImageError(error.code === 'invalid_image' ? 'invalid_request' : error.code, `${path}: ${message}`, {
    paths: [{ path, message }],
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
    ...(mediaId !== null && { mediaId }),
    cause: error,
  });
}
