import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Image } from '../../../core/domain/image.ts';
import { searchEntryOf } from '../../../core/domain/text/search-text.ts';
import type { SearchedRecords } from '../search.ts';
import type { SqliteDatabase } from './database.ts';
import type { SqliteLists } from './lists.ts';
import { run, type Step } from './writer/write.ts';

/** The table of what is searched in each image: `SearchEntry`. */

/** Images that a search looks at before others get their turn: some 2 ms. */
export const LOOK_AT = 500;

/** What searches read, by `answer`, and the note that they leave, which `persist` writes. */
export function searchedRecords(
  lists: SqliteLists,
  answer: SqliteDatabase['answer'],
  persist: (steps: readonly Step[]) => Promise<unknown>,
): SearchedRecords {
  return {
    async look(range, search, limit) {
      // Many images are looked at for one page, and others get their turn in between.
      await nextTurn();
      return await answer(() => lists.look(range, search, limit));
    },
    read: (mediaIds) => answer(() => lists.readMany(mediaIds)),
    async remember(images) {
      // The search finds them without it, and the next one tries again.
      await persist(rememberSteps(images)).catch(() => undefined);
    },
  };
}

/** Keeps what is searched in an image, in place of what was. */
export function searchSteps(image: Image): readonly Step[] {
  const { words, preset } = searchEntryOf(image);
  return [
    run(
      `
      INSERT INTO search (media_id, preset, words) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET preset = excluded.preset, words = excluded.words`,
      [image.mediaId, preset, words],
    ),
  ];
}

/** `searchSteps` where it may have changed. */
export function searchAnewSteps(before: Image, after: Image): readonly Step[] {
  if (before.request === after.request && before.prompt === after.prompt) return [];
  const [was, is] = [searchEntryOf(before), searchEntryOf(after)];
  return was.words === is.words && was.preset === is.preset ? [] : searchSteps(after);
}

/** Keeps what is searched in images for which nothing is stored. One that was changed meanwhile has it stored already. */
function rememberSteps(images: readonly Image[]): readonly Step[] {
  return images.map((image) => {
    const { words, preset } = searchEntryOf(image);
    return run(
      'INSERT OR IGNORE INTO search (media_id, preset, words) SELECT media_id, :preset, :words FROM images WHERE media_id = :mediaId',
      { mediaId: image.mediaId, preset, words },
    );
  });
}
