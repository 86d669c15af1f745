import type { IncomingHttpHeaders } from 'node:http';
import { combineRanges, parse } from 'range-parser';
import type { ByteRange } from '../../core/ports/media-store.ts';

/** Result of the conditional headers of a GET or HEAD: proceed, 304 or 412. */
type ConditionResult = 'proceed' | 'not_modified' | 'precondition_failed';

/**
 * Evaluates If-Match and If-None-Match against a strong entity tag, in the order of RFC 9110, 13.2.2. Conditions on dates are
 * ignored, as the RFC asks of a server that sends no Last-Modified.
 */
export function evaluateConditions(headers: IncomingHttpHeaders, etag: string): ConditionResult {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && !matchesTag(match, etag)) return 'precondition_failed';
  // If-None-Match compares weakly (RFC 9110, 13.1.2), so a `W/` that a cache has put before the tag is ignored.
  if (noneMatch !== undefined && matchesTag(noneMatch.replaceAll('W/"', '"'), etag)) return 'not_modified';
  return 'proceed';
}

/** True for a list of entity tags that is none: neither `*` nor tags in double quotes (RFC 9110, 8.8.3). */
export function isMalformedTagList(list: string): boolean {
  const between = list.replaceAll(TAGS, '');
  return list.trim() !== '*' && (between === list || /[^\s,]/.test(between));
}

/**
 * Which part of a file of `bytes` bytes to serve: one range, the `whole` file, or `none`, to be answered with 416.
 *
 * `whole`: there is no range in bytes, If-Range names another version than `etag`, a suffix covers the file, or several ranges
 * do not combine into one, which would need a multipart answer. `none`: no well-formed range overlaps the file.
 */
export function rangeToServe(headers: IncomingHttpHeaders, etag: string, bytes: number): ByteRange | 'whole' | 'none' {
  const { range, 'if-range': ifRange } = headers;
  if (!range?.startsWith('bytes=')) return 'whole';
  // If-Range compares strongly (RFC 9110, 13.1.5). A date never matches, since no Last-Modified is sent.
  if (ifRange !== undefined && ifRange !== etag) return 'whole';
  const suffix = /^bytes=-(\d+)$/.exec(range)?.[1];
  if (suffix !== undefined && Number(suffix) >= bytes) return 'whole';
  const [first, second] = combineRanges(parse(bytes, range).ranges);
  if (first === undefined) return 'none';
  return second === undefined ? { start: first.start, end: first.end } : 'whole';
}

const TAGS = /(?:W\/)?"[^"]*"/g;

/** True when a list of entity tags contains this one, or is `*`. */
function matchesTag(list: string, etag: string): boolean {
  return list === etag || list.trim() === '*' || list.match(TAGS)?.some((tag) => tag === etag) === true;
}
