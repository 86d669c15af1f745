import { ImageError } from '../../../core/domain/errors.ts';

/** What an operator calls the bucket, and the address under which it is asked for. */
export interface Place {
  readonly bucket: string;
  readonly region: string;
}

/** Name of the error of an answer whose head has come and whose body has not, or not whole. */
export const BROKEN_ANSWER = 'BrokenAnswerError';

/** Name of the SDK's error where it has found nothing to sign with. */
const NO_CREDENTIALS = 'CredentialsProviderError';

/** The code that S3 or the SDK gave an error, such as `NoSuchKey`; empty for an error that has none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { Code: code } = error as { readonly Code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

/** The HTTP status of the answer that an error stands for; null where nothing was answered. */
export function statusOf(error: unknown): number | null {
  const { $metadata: metadata } = (error ?? {}) as { readonly $metadata?: { readonly httpStatusCode?: number } };
  return metadata?.httpStatusCode ?? null;
}

/** True where there is no such object. A bucket that is not there is another matter. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && !['NoSuchBucket', 'NoSuchUpload'].includes(codeOf(error));
}

/** True where the server does not know the call: S3 is spoken by many servers, and few speak all of it. */
export function isNotImplemented(error: unknown): boolean {
  return [405, 501].includes(statusOf(error) ?? 0) || ['NotImplemented', 'MethodNotAllowed'].includes(codeOf(error));
}

/**
 * True where no answer came, or one that says that the server cannot answer now: the same call may succeed later by itself.
 * Where there are no credentials, or no encrypted connection can be made, a setting has to change.
 */
export function isUnreachable(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== null) return status >= 500 && status !== 501;
  return isOfTheNetwork(error) && codeOf(error) !== NO_CREDENTIALS && !isOfTls(error);
}

/**
 * Maps an error of the SDK to the `ImageError` that `MediaStore` promises. Any other is a defect, returned unchanged. `action` says in the
 * message what failed. No fault is lasting: what an operator has to set right, such as expired credentials, may be set right while a write
 * of paid bytes waits.
 */
export function asImageError(error: unknown, action: string, place: Place): unknown {
  if (error instanceof ImageError || !(error instanceof Error)) return error;
  const status = statusOf(error);
  if (status === null && !isOfTheNetwork(error)) return error;
  const detail = `cannot ${action}: ${explain(error, place)}`;
  const isFull = FULL.has(codeOf(error)) || status === 507;
  return new ImageError(isFull ? 'storage_full' : 'storage_unavailable', detail, {
    cause: error,
    retryAfterSeconds: 5,
  });
}

/** What is wrong and what to do, as one clause. `right` is what a denied call needed. */
export function explain(error: Error, { bucket, region }: Place, right = 'this right'): string {
  const code = codeOf(error);
  if (code === 'NoSuchBucket') return `the bucket ${bucket} does not exist; make it or correct S3_BUCKET`;
  if (EXPIRED.has(code)) return `the credentials for the bucket ${bucket} have expired; renew them (${code})`;
  if (UNKNOWN_KEY.has(code)) return `the bucket ${bucket} does not accept the credentials; correct them (${code})`;
  if (code === NO_CREDENTIALS) return 'there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  if (code === 'RequestTimeTooSkewed') return 'the clock of this machine is wrong; set it right (RequestTimeTooSkewed)';
  if (isElsewhere(error)) {
    const named = regionOf(error);
    const where = named === null ? 'another region' : `the region ${named}`;
    return `the bucket ${bucket} is in ${where} and not in ${region}; correct S3_REGION`;
  }
  if (statusOf(error) === 403) return `access to the bucket ${bucket} is denied; give the credentials ${right}`;
  if (FULL.has(code) || statusOf(error) === 507)
    return `the bucket ${bucket} is full; raise its quota or free space (${code})`;
  if (error.name === BROKEN_ANSWER) return `the answer of the S3 server broke off: ${error.message}`;
  const status = statusOf(error);
  const [message = ''] = messageOf(error).split('\n');
  if (status === null && isOfTls(error)) {
    const reason = codeOfSystem(error) === 'EPROTO' ? 'the server does not speak TLS' : message;
    return `the encrypted connection to the S3 server cannot be made: ${reason}; correct S3_ENDPOINT`;
  }
  if (error.name === 'TimeoutError') return 'the S3 server cannot be reached: it does not answer in time';
  if (status === null) return `the S3 server cannot be reached: ${message}`;
  if (status < 300) return `the answer is not one of an S3 server: ${message}; correct S3_ENDPOINT`;
  return `the S3 server answered ${status} ${code}: ${message}`;
}

/** The message of an error. That of a host with several addresses is the messages of all. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function isElsewhere(error: Error): boolean {
  return [301, 307].includes(statusOf(error) ?? 0) || ELSEWHERE.has(codeOf(error));
}

/** The region that an answer names as the right one, or null. */
function regionOf(error: Error): string | null {
  const { Region: region, $response: response } = error as {
    readonly Region?: string;
    readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  };
  return (
    response?.headers?.['x-amz-bucket-region'] ?? region ?? /expecting '([a-z0-9-]+)'/.exec(error.message)?.[1] ?? null
  );
}

function isOfTheNetwork(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const isOurs = NETWORK_NAMES.has(error.name) || NETWORK_CODES.test(codeOfSystem(error));
  return isOurs || isOfTls(error) || isOfTheNetwork(error.cause);
}

/** True where the other side does not speak TLS, or has a certificate that is not to be trusted. */
function isOfTls(error: unknown): boolean {
  return error instanceof Error && (TLS_CODES.test(codeOfSystem(error)) || isOfTls(error.cause));
}

function codeOfSystem(error: Error): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

const FULL: ReadonlySet<string> = new Set([
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'QuotaExceeded',
  'InsufficientStorage',
]);
const EXPIRED: ReadonlySet<string> = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);
const UNKNOWN_KEY: ReadonlySet<string> = new Set(['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken']);
const ELSEWHERE: ReadonlySet<string> = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);
/** What the SDK raises by itself: nothing was answered in time, or there is nothing to sign with. */
const NETWORK_NAMES: ReadonlySet<string> = new Set(['TimeoutError', 'AbortError', NO_CREDENTIALS, BROKEN_ANSWER]);
const NETWORK_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|HPE_)/;
const TLS_CODES = /^(EPROTO|ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_)/;
