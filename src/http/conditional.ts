import type { IncomingHttpHeaders } from 'node:http';

/** What the conditions of a GET or HEAD come to: go on, 304 or 412. */
export type Verdict = 'proceed' | 'not_modified' | 'precondition_failed';

/**
 * Weighs If-Match and If-None-Match against a strong entity tag, in the order of RFC 9110, 13.2.2. The conditions on dates
 * are ignored, as they are to be where no Last-Modified is given.
 */
export function weigh(headers: IncomingHttpHeaders, etag: string): Verdict {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && !names(match, etag)) return 'precondition_failed';
  // If-None-Match compares weakly (RFC 9110, 13.1.2), so a `W/` that a cache has put before the tag does not count.
  if (noneMatch !== undefined && names(noneMatch.replaceAll('W/"', '"'), etag)) return 'not_modified';
  return 'proceed';
}

/**
 * The `Range` to serve of a file of `bytes` bytes with this strong entity tag; undefined for the whole file. It is the
 * whole file when If-Range names another one, and when a suffix is asked for that is as long as the file or longer.
 */
export function rangeToServe(headers: IncomingHttpHeaders, etag: string, bytes: number): string | undefined {
  const { range, 'if-range': ifRange } = headers;
  // If-Range compares strongly; a date cannot match where no Last-Modified is given (RFC 9110, 13.1.5).
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const suffix = /^bytes=-(\d+)$/.exec(range ?? '')?.[1];
  return suffix !== undefined && Number(suffix) >= bytes ? undefined : range;
}

/** Whether a list of entity tags, or `*`, names this one. */
function names(list: string, etag: string): boolean {
  return list === etag || list.trim() === '*' || list.match(/(?:W\/)?"[^"]*"/g)?.some((tag) => tag === etag) === true;
}
