import type { PartialPicture } from '../../ports/image-events.ts';

/** A partial picture of a call that runs. */
export interface NewestPartial {
  /** Grows by one with each picture. */
  readonly number: number;
  readonly owner: string;
  readonly picture: PartialPicture;
}

/** The newest partial picture of each running call, by mediaId. */
export interface NewestPartials {
  keep(picture: PartialPicture, owner: string): void;
  drop(mediaId: string): void;
  /** The oldest of those that came after this number and for which `isSeen` holds. */
  after(number: number, isSeen: (owner: string) => boolean): NewestPartial | null;
  /** The number of the newest; 0 before the first. */
  last(): number;
}

/** The most that are kept; older ones are dropped, as a picture that is not seen is no loss. */
const MOST_PICTURES = 32;
const MOST_CHARACTERS = 32 * 1024 * 1024;

export function createNewestPartials(): NewestPartials {
  /** Ordered by their numbers. */
  const newest = new Map<string, NewestPartial>();
  let last = 0;
  let characters = 0;

  function drop(mediaId: string): void {
    characters -= newest.get(mediaId)?.picture.base64.length ?? 0;
    newest.delete(mediaId);
  }

  return {
    drop,
    last: () => last,
    keep(picture, owner) {
      drop(picture.mediaId);
      last += 1;
      newest.set(picture.mediaId, { number: last, owner, picture });
      characters += picture.base64.length;
      for (const mediaId of newest.keys()) {
        const isTooMuch = newest.size > MOST_PICTURES || characters > MOST_CHARACTERS;
        if (!isTooMuch || newest.size === 1) return;
        drop(mediaId);
      }
    },
    after(number, isSeen) {
      for (const partial of newest.values()) if (partial.number > number && isSeen(partial.owner)) return partial;
      return null;
    },
  };
}
