import type { IncomingHttpHeaders } from 'node:http';
import type { ImageOperation, UploadedFile } from './dialect.ts';

/**
 * How a call ended: `answered` (handed to the operating system whole), `client_left` (before that), `dropped` (by the
 * script), `server_closed`; `open` while it runs.
 */
export type Ending = 'open' | 'answered' | 'client_left' | 'dropped' | 'server_closed';

/** One request that was received completely. */
export interface Call {
  /** Position in `calls` or `otherCalls`, from 1. */
  readonly number: number;
  readonly operation: ImageOperation | 'models' | 'file' | 'unknown';
  readonly method: string;
  /** The path with its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The JSON object, or a form's text fields (numbers and booleans as such); empty where there is neither. */
  readonly body: Readonly<Record<string, unknown>>;
  /** A form's files. */
  readonly files: readonly UploadedFile[];
  /** When its headers arrived, in milliseconds since 1970, with fractions. */
  readonly receivedAt: number;
  /** The value of `x-request-id` in the answer, also where no answer was sent. */
  readonly requestId: string;
  /** Name of the behaviour used; `refused: <code>` where the call was invalid; null until one is chosen. */
  readonly behaviour: string | null;
  /** The status sent; null where none was. */
  readonly status: number | null;
  readonly ending: Ending;
  readonly endedAt: number | null;
}
