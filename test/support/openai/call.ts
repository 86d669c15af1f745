import type { IncomingHttpHeaders } from 'node:http';
import type { ImageOperation, UploadedFile } from './dialect.ts';

/**
 * How a call ended: `answered` (handed to the operating system whole), `client_left` (before that), `dropped` (by the
 * script), `server_closed`; `open` while it runs.
 */
export type Ending = 'open' | 'answered' | 'client_left' | 'dropped' | 'server_closed';

/** One request that came in whole. */
export interface Call {
  /** 1 for the first of its list. */
  readonly number: number;
  readonly operation: ImageOperation | 'models' | 'file' | 'unknown';
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The JSON object, or a form's text fields (numbers and booleans as such); empty where there is neither. */
  readonly body: Readonly<Record<string, unknown>>;
  /** A form's files. */
  readonly files: readonly UploadedFile[];
  /** When its headers came, in milliseconds since 1970, with fractions. */
  readonly receivedAt: number;
  /** What `x-request-id` said, or would have. */
  readonly requestId: string;
  /** Name of the behaviour used; `refused: <code>` where the call was wrong; null until it is chosen. */
  readonly behaviour: string | null;
  /** The status sent; null where none was. */
  readonly status: number | null;
  readonly ending: Ending;
  readonly endedAt: number | null;
}
