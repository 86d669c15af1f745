import type { Derived } from '../../../core/ports/record-store.ts';
import type { SqliteDatabase } from './database.ts';
import { run, type Step } from './writer/write.ts';

/** The table of the files that images share: which image names which. */

/** Keeps the shared names of an image, in place of those that it had. */
export function sharedNameSteps(mediaId: string, { sharedNames }: Pick<Derived, 'sharedNames'>): readonly Step[] {
  return [
    ...forgetSharedSteps(mediaId),
    ...sharedNames.map((name) => run('INSERT INTO shared_files (name, media_id) VALUES (?, ?)', [name, mediaId])),
  ];
}

export function forgetSharedSteps(mediaId: string): readonly Step[] {
  return [run('DELETE FROM shared_files WHERE media_id = ?', [mediaId])];
}

/** Rows with a `value` each: the names in the JSON list `:shared` that no image has. */
export const UNSHARED = 'SELECT value FROM json_each(:shared) WHERE value NOT IN (SELECT name FROM shared_files)';

/** How many images name each file, as the port's `countSharing` promises. */
export function countSharing(
  sql: SqliteDatabase['sql'],
  names: readonly string[],
  owner: string | null,
): ReadonlyMap<string, number> {
  const list = JSON.stringify(names);
  const rows = owner === null ? sql(COUNT).all({ list }) : sql(COUNT_OF_OWNER).all({ list, owner });
  return new Map(rows.map((row) => [String(row.name), Number(row.images)]));
}

// Without the table of images: one that cannot be read counts, too.
const COUNT = `
  SELECT name, count(*) AS images FROM shared_files WHERE name IN (SELECT value FROM json_each(:list)) GROUP BY name`;

const COUNT_OF_OWNER = `
  SELECT name, count(*) AS images FROM shared_files JOIN images USING (media_id)
  WHERE name IN (SELECT value FROM json_each(:list)) AND owner = :owner GROUP BY name`;
