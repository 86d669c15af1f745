import { ImageError } from '../domain/errors.ts';
import { inputName } from '../domain/file-names.ts';
import type { Input } from '../domain/input.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { EditParts, GenerationOptions } from '../ports/provider.ts';
import type { Run } from './job.ts';

export type InputBytes = NonNullable<GenerationOptions['inputBytes']>;

/**
 * Reads the pictures of an edit from the media store, and compares them with their checksums: a call is paid for what was checked when it
 * was accepted. Raises `storage_unavailable` for one that is missing, damaged or cannot be read for a minute.
 */
export type ReadInputs = (run: Pick<Run, 'mediaId' | 'retryRead'>, edit: EditParts) => Promise<InputBytes>;

export function createReadInputs({ store }: { readonly store: Pick<MediaStore, 'read'> }): ReadInputs {
  return async ({ mediaId, retryRead }, { inputs, mask }) => {
    const found = new Map<string, Uint8Array>();
    for (const [index, input] of [...inputs, ...(mask ? [mask] : [])].entries()) {
      if (found.has(input.sha256)) continue;
      const bytes = await retryRead(() => store.read(inputName(input.sha256)));
      const place = index < inputs.length ? `input ${index + 1}` : 'the mask';
      if (bytes === null) throw lostInput(mediaId, place, input, 'missing');
      if ((await checksum(bytes)) !== input.sha256) throw lostInput(mediaId, place, input, 'damaged');
      found.set(input.sha256, bytes);
    }
    return found;
  };
}

/** In hex. Made off the event loop, which tens of megabytes would hold up. */
async function checksum(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

function lostInput(mediaId: string, place: string, { sha256 }: Input, how: 'missing' | 'damaged'): ImageError {
  return new ImageError(
    'storage_unavailable',
    `${place} of ${mediaId} (sha256 ${sha256}) is ${how} on disk; nothing was sent or paid. ` +
      'Sent again with its pictures, the request stores them anew',
    { mediaId },
  );
}
