import { IMAGE_STATUSES } from '../../../core/domain/image.ts';
import type { Search } from '../../../core/domain/text/search-text.ts';
import { parseImage } from '../rows.ts';
import type { LookedAt, Range, SearchedRecords } from '../search.ts';
import { IS_READABLE } from './readable.ts';
import { rememberSearch } from './search.ts';
import type { Transactions } from './transactions.ts';

/** Values to bind, each of which gets its `$n`. */
export function createBinder(): { readonly values: unknown[]; bind(value: unknown, type: string): string } {
  const values: unknown[] = [];
  return { values, bind: (value, type) => `$${values.push(value)}::${type}` };
}
export type Bind = ReturnType<typeof createBinder>['bind'];

/** The fewest images that the search by one label and status looks at. */
const MIN_LOOKED_AT = 50;

/** What is searched in an image. The limit has each looked up by the index, where a join might read the whole table. */
const ENTRY = 'SELECT true AS is_there, preset, words FROM easel.search WHERE media_id = looked.media_id LIMIT 1';

/** What searches read of the tables, and the note that they leave. */
export function openLooks({ read, write }: Pick<Transactions, 'read' | 'write'>): SearchedRecords {
  return {
    async look(range, search, limit) {
      const { values, bind } = createBinder();
      const given = placesOf(range, bind);
      const most = search === null ? limit : Math.max(Math.ceil(limit / given.length), MIN_LOOKED_AT);
      const end = `ORDER BY created_at DESC, media_id DESC LIMIT ${bind(most, 'bigint')}`;
      // Behind so many, images of a search that gave all that it may would be missing.
      const rows = await read(
        `WITH given AS MATERIALIZED (${given.map((places) => `(${places} ${end})`).join(' UNION ALL ')}),
          looked AS (SELECT DISTINCT created_at, media_id FROM given ${end}),
          judged AS (
            SELECT created_at, looked.media_id, ${foundOf(search, bind)} AS is_found,
              row_number() OVER (ORDER BY created_at DESC, looked.media_id DESC) AS place, count(*) OVER () AS images
            FROM looked LEFT JOIN LATERAL (${ENTRY}) AS search ON true)
        SELECT created_at, media_id, is_found, images, (SELECT count(*) FROM given) AS rows FROM judged
        WHERE is_found IS NOT FALSE OR place = images ORDER BY place`,
        values,
      );
      const images = rows.map(
        ({ created_at, media_id, is_found }): LookedAt => ({
          key: [Number(created_at), String(media_id)],
          isFound: is_found as boolean | null,
        }),
      );
      return { images, rows: Number(rows[0]?.rows ?? 0), isLast: Number(rows[0]?.images ?? 0) < most };
    },

    async read(mediaIds) {
      const rows = await read(
        `SELECT document FROM easel.images WHERE media_id = ANY ($1::text[]) AND ${IS_READABLE}`,
        [mediaIds],
      );
      return rows.map(parseImage);
    },

    async remember(images) {
      // The search finds them without it, and the next one tries again.
      await write((statements) => rememberSearch(statements, images)).catch(() => undefined);
    },
  };
}

/** The searches for the images of a range, one for each label and status, which an index gives in order. */
function placesOf({ status, label, owner, before, since }: Range, bind: Bind): readonly string[] {
  const statuses = status ?? (label || owner !== null ? IMAGE_STATUSES : [undefined]);
  const common = [
    `(created_at, media_id) < (${bind(before[0], 'bigint')}, ${bind(before[1], 'text')})`,
    `created_at >= ${bind(since, 'bigint')}`,
    ...(owner === null ? [] : [`owner = ${bind(owner, 'text')}`]),
  ];
  return (label ?? [undefined]).flatMap((one) => {
    const table = one === undefined ? 'easel.images' : 'easel.labels';
    const named = one === undefined ? [] : [`label = ${bind(one, 'text')}`];
    // A text, so that the planner sees the condition of a partial index in it.
    return statuses.map((each) => {
      const conditions = [...common, ...named, ...(each === undefined ? [] : [`status = '${each}'`])];
      return `SELECT created_at, media_id FROM ${table} WHERE ${conditions.join(' AND ')}`;
    });
  });
}

/** Whether the search finds an image: null where nothing is stored for it. */
function foundOf(search: Search | null, bind: Bind): string {
  if (search === null) return 'true';
  const { words, preset } = search;
  const conditions = [
    ...(preset === null ? [] : [`coalesce(strpos(search.preset || '@', ${bind(preset, 'text')}) = 1, false)`]),
    ...(words.length === 0
      ? []
      : [`NOT EXISTS (SELECT FROM unnest(${bind(words, 'text[]')}) AS word WHERE strpos(search.words, word) = 0)`]),
  ];
  return `CASE WHEN search.is_there THEN ${conditions.join(' AND ')} END`;
}
