import type { Image } from '../../../core/domain/image.ts';
import { type SearchEntry, searchEntryOf } from '../../../core/domain/text/search-text.ts';
import type { Row, Statements } from '../../postgres/database.ts';

/** The table of what is searched in each image: `SearchEntry`. */

/** Images that a search looks at with one statement, which takes some 10 ms. */
export const LOOK_AT = 4_000;

const ROWS = 'unnest($1::text[], $2::text[], $3::text[]) AS given (media_id, preset, words)';

/** Keeps what is searched in images, in place of what was. */
export async function storeSearch({ run }: Statements, images: readonly Image[]): Promise<void> {
  await run(
    `INSERT INTO easel.search (media_id, preset, words) SELECT * FROM ${ROWS}
    ON CONFLICT (media_id) DO UPDATE SET preset = excluded.preset, words = excluded.words`,
    valuesOf(images),
  );
}

/** `storeSearch` where it may have changed. */
export async function storeSearchAnew(statements: Statements, before: Image, after: Image): Promise<void> {
  if (before.request === after.request && before.prompt === after.prompt) return;
  const [was, is] = [searchEntryOf(before), searchEntryOf(after)];
  if (was.words !== is.words || was.preset !== is.preset) await storeSearch(statements, [after]);
}

/**
 * Keeps what is searched in images for which nothing is stored. Those that a transaction writes are left out, so that this waits for none;
 * one that was changed meanwhile has it stored already.
 */
export function rememberSearch({ run }: Statements, images: readonly Image[]): Promise<readonly Row[]> {
  return run(
    `INSERT INTO easel.search (media_id, preset, words)
    SELECT given.media_id, given.preset, given.words FROM ${ROWS}
    JOIN (
      SELECT media_id FROM easel.images WHERE media_id = ANY ($1::text[]) FOR KEY SHARE SKIP LOCKED
    ) AS present USING (media_id)
    ORDER BY media_id
    ON CONFLICT DO NOTHING`,
    valuesOf(images),
  );
}

function valuesOf(images: readonly Image[]): readonly unknown[] {
  const entries: readonly SearchEntry[] = images.map(searchEntryOf);
  return [images.map(({ mediaId }) => mediaId), entries.map(({ preset }) => preset), entries.map(({ words }) => words)];
}
