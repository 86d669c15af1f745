import type { ImageRecord } from '../client/shapes.ts';

/** The URL of a record as an absolute one. */
export function absoluteUrl(url: ImageRecord['url'], baseUrl: string): string {
  return url?.startsWith('/') === false ? url : `${baseUrl.replace(/\/+$/, '')}${url ?? ''}`;
}
