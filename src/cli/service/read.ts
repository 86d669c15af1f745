import type { EaselOptions } from '../../client/easel.ts';
import { within } from '../../client/limit.ts';
import { createSending } from '../../client/sending.ts';

/** Reads the JSON of an answer to a GET as it is. `path` is below the service's address. Raises `EaselError`, as the client does. */
export type Read = <Answer>(path: string, options: { readonly signal?: AbortSignal }) => Promise<Answer>;

/** Makes the reader of answers of which the client gives a part alone, such as a page of a list. */
export function createRead(options: EaselOptions): Read {
  const sending = createSending(options);
  return (path, callOptions) => within(callOptions, (limit) => sending.json({ path }, limit));
}
