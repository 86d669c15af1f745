import type { IncomingHttpHeaders } from 'node:http';
import { combineRanges, parse } from 'range-parser';
import type { ByteRange } from '../../core/ports/media-store.ts';

/** What the conditions of a GET or HEAD come to: go on, 304 or 412. */
export type ConditionResult = 'proceed' | 'not_modified' | 'precondition_failed';

/**
 * Weighs If-Match and If-None-Match against a strong entity tag, in the order of RFC 9110, 13.2.2. The conditions on dates
 * are ignored, as they are to be where no Last-Modified is given.
 */
export function evaluateConditions(headers: IncomingHttpHeaders, etag: string): ConditionResult {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && !matchesTag(match, etag)) return 'precondition_failed';
  // If-None-Match compares weakly (RFC 9110, 13.1.2), so a `W/` that a cache has put before the tag does not count.
  if (noneMatch !== undefined && matchesTag(noneMatch.replaceAll('W/"', '"'), etag)) return 'not_modified';
  return 'proceed';
}

/**
 * The part to serve of a file of `bytes` bytes with this strong entity tag. It is the whole file when If-Range names another
 * one, when a suffix is asked for that is as long as the file or longer, and when several parts are asked for that do not
 * join up to one: those would need a multipart answer. Ranges that are not well formed count as not there, and where none
 * is left that the file has bytes for, it is `none`, to be answered with 416.
 */
export function rangeToServe(headers: IncomingHttpHeaders, etag: string, bytes: number): ByteRange | 'whole' | 'none' {
  const { range, 'if-range': ifRange } = headers;
  if (!range?.startsWith('bytes=')) return 'whole';
  // If-Range compares strongly; a date cannot match where no Last-Modified is given (RFC 9110, 13.1.5).
  if (ifRange !== undefined && ifRange !== etag) return 'whole';
  const suffix = /^bytes=-(\d+)$/.exec(range)?.[1];
  if (suffix !== undefined && Number(suffix) >= bytes) return 'whole';
  const [first, second] = combineRanges(parse(bytes, range).ranges);
  if (first === undefined) return 'none';
  return second === undefined ? { start: first.start, end: first.end } : 'whole';
}

/** Whether a list of entity tags, or `*`, names this one. */
function matchesTag(list: string, etag: string): boolean {
  return list === etag || list.trim() === '*' || list.match(/(?:W\/)?"[^"]*"/g)?.some((tag) => tag === etag) === true;
}
