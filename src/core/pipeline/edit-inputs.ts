import { ImageError } from '../domain/errors.ts';
import { inputName, sha256OffLoop } from '../domain/file-names.ts';
import type { Input } from '../domain/input.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { EditParts, GenerationOptions } from '../ports/provider.ts';
import type { InputRoom } from './input-room.ts';
import type { Run } from './job.ts';

export type InputBytes = NonNullable<GenerationOptions['inputBytes']>;

/** The pictures of one call, in memory. Disposing of them gives back their room, and lets go of the bytes. */
export interface InputsInHand extends Disposable {
  readonly bytes: InputBytes;
}

/**
 * Reads the pictures of an edit from the media store, once there is room for them, and compares them with their checksums: a call is paid
 * for what was checked when it was accepted. Raises `storage_unavailable` for one that is missing, damaged or cannot be read for a minute,
 * and the reason of the signal that ends the wait for room: the image is cancelled, or the process stops.
 */
export type ReadInputs = (
  run: Pick<Run, 'mediaId' | 'retryRead' | 'signals'>,
  edit: EditParts,
) => Promise<InputsInHand>;

export function createReadInputs({
  store,
  room,
}: {
  readonly store: Pick<MediaStore, 'read'>;
  readonly room: InputRoom;
}): ReadInputs {
  return async ({ mediaId, retryRead, signals }, { inputs, mask }) => {
    const places = new Map<Input, string>();
    for (const [index, input] of inputs.entries()) places.set(input, `input ${index + 1}`);
    if (mask) places.set(mask, 'the mask');
    const sizes = new Map([...places.keys()].map(({ sha256, bytes }) => [sha256, bytes]));
    const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);

    using resources = new DisposableStack();
    resources.use(await room.take(total, AbortSignal.any([signals.cancelled, signals.draining])));
    const found = new Map<string, Uint8Array>();
    resources.defer(() => found.clear());
    for (const [input, place] of places) {
      if (found.has(input.sha256)) continue;
      const bytes = await retryRead(() => store.read(inputName(input.sha256)));
      if (bytes === null) throw lostInput(mediaId, place, input, 'missing');
      if ((await sha256OffLoop(bytes)) !== input.sha256) throw lostInput(mediaId, place, input, 'damaged');
      found.set(input.sha256, bytes);
    }
    const held = resources.move();
    return { bytes: found, [Symbol.dispose]: () => held.dispose() };
  };
}

function lostInput(mediaId: string, place: string, { sha256 }: Input, how: 'missing' | 'damaged'): ImageError {
  return new ImageError(
    'storage_unavailable',
    `${place} of ${mediaId} (sha256 ${sha256}) is ${how} on disk; nothing was sent or paid. ` +
      'Sent again with its pictures, the request stores them anew',
    { mediaId },
  );
}
