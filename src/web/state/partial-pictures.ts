import type { PartialPicture } from '../service/types.ts';

/** The newest partial picture of each running image, on show or not: the stream tells it once, and a view may open later. */
export interface PartialPictures {
  readonly of: (mediaId: string) => PartialPicture | null;
  /** Takes over a newer one. */
  readonly keep: (partial: PartialPicture) => void;
  /** Call with every status: an image that no longer runs has none. */
  readonly noteStatus: (mediaId: string, status: string) => void;
  readonly drop: (mediaId: string) => void;
  readonly clear: () => void;
}

/** Those kept at once, each up to some 2 MB; the ones that changed last. */
const MOST = 8;

/** Creates an empty collection. */
export function createPartialPictures(): PartialPictures {
  const kept = new Map<string, PartialPicture>();
  return {
    of: (mediaId) => kept.get(mediaId) ?? null,
    keep(partial) {
      kept.delete(partial.mediaId);
      kept.set(partial.mediaId, partial);
      const [oldest] = kept.keys();
      if (kept.size > MOST && oldest !== undefined) kept.delete(oldest);
    },
    noteStatus(mediaId, status) {
      if (status !== 'generating') kept.delete(mediaId);
    },
    drop: (mediaId) => void kept.delete(mediaId),
    clear: () => kept.clear(),
  };
}
