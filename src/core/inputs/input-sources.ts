import type { HandOfBytes } from '../domain/bytes-in-hand.ts';
import { ImageError } from '../domain/errors.ts';
import { inputName, storedNameOf } from '../domain/file-names.ts';
import { isFinished } from '../domain/image.ts';
import type { GivenInput, Input } from '../domain/input.ts';
import { type Caller, maySee, ownerSeenBy } from '../domain/request.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { PictureFetcher } from '../ports/picture-fetcher.ts';
import type { RecordStore } from '../ports/record-store.ts';

export interface InputSourcesDeps {
  readonly records: Pick<RecordStore, 'get' | 'countSharing'>;
  readonly store: Pick<MediaStore, 'read'>;
  readonly fetcher: PictureFetcher;
}

/** How the bytes of one input are read. */
export interface ReadOptions {
  readonly caller: Caller;
  readonly maxBytes: number;
  /** The memory that what is read is counted in. */
  readonly hand: HandOfBytes;
}

/**
 * Reads the bytes that an input names. Raises `ImageError`: `not_found` for an image or a content that is not there, or is none of the
 * caller's, `media_id_conflict` for an image without a picture, `payload_too_large` beyond `maxBytes`, `invalid_request` for a URL that
 * brings nothing, and `storage_unavailable`.
 */
export function createReadInput({ records, store, fetcher }: InputSourcesDeps) {
  async function readMaster(mediaId: string, { caller, maxBytes, hand }: ReadOptions): Promise<Uint8Array> {
    const image = await records.get(mediaId);
    if (image === null || !maySee(caller, image.owner)) {
      throw new ImageError('not_found', `there is no image ${mediaId}`);
    }
    const { master, status } = image;
    if (status !== 'succeeded' || master === null) {
      const reason = isFinished(status)
        ? `it ${status === 'failed' ? 'failed' : 'was cancelled'}; have it made first, or take another`
        : `it is at work (${status}); wait for its end`;
      throw new ImageError('media_id_conflict', `the image ${mediaId} has no picture to start from: ${reason}`);
    }
    refuseLarger(master.bytes, maxBytes);
    hand.add(master.bytes);
    const bytes = await store.read(storedNameOf(master));
    if (bytes === null) {
      throw new ImageError('storage_unavailable', `the picture of ${mediaId} is missing in the media store`, {
        mediaId,
      });
    }
    return bytes;
  }

  async function readStored(sha256: string, { caller, maxBytes, hand }: ReadOptions): Promise<Uint8Array> {
    const name = inputName(sha256);
    /** Refuses one that is unknown, and one that other keys alone use, in the same words. */
    const refuseUnknown = async () => {
      const users = await records.countSharing([name], ownerSeenBy(caller));
      if (users.size > 0) return;
      const advice = 'send the picture itself, or name one by its mediaId or its url';
      throw new ImageError('not_found', `no picture that this key may see was made of an input ${sha256}; ${advice}`);
    };
    await refuseUnknown();
    const bytes = await store.read(name);
    if (bytes === null) {
      // The last picture that was made of it may have been deleted meanwhile.
      await refuseUnknown();
      throw new ImageError(
        'storage_unavailable',
        `the input ${sha256} is missing in the media store; send the picture again`,
      );
    }
    refuseLarger(bytes.byteLength, maxBytes);
    hand.add(bytes.byteLength);
    return bytes;
  }

  return async (given: GivenInput, options: ReadOptions): Promise<Uint8Array> => {
    if ('mediaId' in given) return await readMaster(given.mediaId, options);
    if ('url' in given)
      return await fetcher.fetch(given.url, { maxBytes: options.maxBytes, onBytes: options.hand.add });
    if ('sha256' in given) return await readStored(given.sha256, options);
    // In memory already, and bounded where they came in.
    refuseLarger(given.bytes.byteLength, options.maxBytes);
    return given.bytes;
  };
}

/** Where an input came from, as a record shows it: a part of the request is named by its content. */
export function sourceOf(given: GivenInput, sha256: string): Input['source'] {
  if ('mediaId' in given) return { mediaId: given.mediaId };
  if ('url' in given) return { url: given.url };
  return { sha256 };
}

function refuseLarger(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new ImageError('payload_too_large', `the picture has ${bytes} bytes, and the model takes ${maxBytes} at most`);
}
