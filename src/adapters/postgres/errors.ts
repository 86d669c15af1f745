import { ImageError } from '../../core/domain/errors.ts';

/** An `ImageError` with `storage_unavailable` and a retry hint of five seconds. */
export function unavailable(detail: string, options?: ErrorOptions): ImageError {
  return new ImageError('storage_unavailable', detail, { ...options, retryAfterSeconds: 5 });
}

/**
 * Maps an error of PostgreSQL, or of the connection to it, to the `ImageError` that the ports promise. Any other is a defect, returned
 * unchanged. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function asImageError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ImageError) return error;
  const options = { cause: error };
  if (isConnectionLost(error)) return unavailable(`PostgreSQL cannot be reached: ${messageOf(error)}`, options);
  const code = codeOf(error);
  if (code === DISK_FULL) return new ImageError('storage_full', 'no space is left for PostgreSQL', options);
  if (PASSING.some((prefix) => code.startsWith(prefix))) {
    return unavailable(`PostgreSQL cannot do this at the moment: ${error.message}`, options);
  }
  return error;
}

/** True for the error of a connection that was lost, refused or never made: what was sent last may have taken effect. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  return LOST.some((prefix) => code.startsWith(prefix)) || LOST_MESSAGES.test(error.message);
}

/** True for a transaction that was rolled back because of another one, and may succeed when it is done again. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && [SERIALIZATION_FAILURE, DEADLOCK].includes(codeOf(error));
}

/** The message of an error. That of a host with several addresses is the messages of all. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
const DISK_FULL = '53100';
/** Connection exceptions, and the shutdown or crash of the server; then those of the socket. */
const LOST = [
  '08',
  '57P01',
  '57P02',
  '57P03',
  'ECONN',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOST',
  'ENETUNREACH',
];
/** What pg itself raises has no code. */
const LOST_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Query read timeout)/;
/** Too few resources, a statement or lock that took too long, a server that is read-only, an input or output error. */
const PASSING = ['53', '57014', '55P03', '25006', '58', '25P03', SERIALIZATION_FAILURE, DEADLOCK];
