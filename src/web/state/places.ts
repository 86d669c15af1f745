/** The places of the page, kept in the hash of its URL, so that Reload and Back keep them. */

import { STATUS_WORDS } from '../ui/words.ts';

/** Filters of the gallery, in the words of `GET /images`. */
export interface Filters {
  readonly status: readonly string[];
  readonly label: readonly string[];
  /** Empty for all. */
  readonly preset: string;
  /** Empty for all. */
  readonly q: string;
}

export type Place =
  | { readonly name: 'gallery'; readonly filters: Filters }
  | { readonly name: 'picture'; readonly mediaId: string }
  /** `from`: a picture to make again with changes; `input`: one to edit. */
  | { readonly name: 'make'; readonly from: string | null; readonly input: string | null }
  | { readonly name: 'operations' }
  | { readonly name: 'unknown' };

export const NO_FILTERS: Filters = { status: [], label: [], preset: '', q: '' };

/** The hash of a place, for a link. */
export function hashOf(place: Exclude<Place, { readonly name: 'unknown' }>): string {
  switch (place.name) {
    case 'gallery':
      return withQuery('#/', filterQuery(place.filters));
    case 'picture':
      return `#/images/${encodeURIComponent(place.mediaId)}`;
    case 'make': {
      const query = new URLSearchParams();
      if (place.from !== null) query.set('from', place.from);
      if (place.input !== null) query.set('input', place.input);
      return withQuery('#/make', query);
    }
    case 'operations':
      return '#/operations';
  }
}

/** The filters as a query of `GET /images`. */
export function filterQuery({ status, label, preset, q }: Filters): URLSearchParams {
  const query = new URLSearchParams();
  for (const one of status) query.append('status', one);
  for (const one of label) query.append('label', one);
  if (preset !== '') query.set('preset', preset);
  if (q !== '') query.set('q', q);
  return query;
}

function withQuery(path: string, query: URLSearchParams): string {
  return query.size === 0 ? path : `${path}?${query}`;
}

/** The place that a hash names. */
export function parsePlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const query = new URLSearchParams(search);
  if (path === '' || path === '/') return { name: 'gallery', filters: parseFilters(query) };
  if (path === '/make') return { name: 'make', from: query.get('from'), input: query.get('input') };
  if (path === '/operations') return { name: 'operations' };
  const mediaId = decode(/^\/images\/([^/]+)$/.exec(path)?.[1]);
  return mediaId === null ? { name: 'unknown' } : { name: 'picture', mediaId };
}

function parseFilters(query: URLSearchParams): Filters {
  return {
    // Of a link that was typed, or is older than this page, what is no status is passed over.
    status: query.getAll('status').filter((one) => Object.hasOwn(STATUS_WORDS, one)),
    label: query.getAll('label'),
    preset: query.get('preset') ?? '',
    q: query.get('q') ?? '',
  };
}

function decode(text: string | undefined): string | null {
  if (text === undefined) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
