import { S3Client } from '@aws-sdk/client-s3';

/** How the bucket is reached. */
export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** URL of a server other than AWS's. */
  readonly endpoint?: string | undefined;
  /** What all keys begin with; none by default. */
  readonly prefix?: string | undefined;
  /** The bucket in the path and not in the host's name; by default where there is an endpoint. */
  readonly forcePathStyle?: boolean | undefined;
  /** The standard AWS credential variables, files and services by default. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly timeouts?: Partial<S3Timeouts> | undefined;
}

/** Options of one call, as the SDK takes them. */
export interface CallOptions {
  readonly abortSignal: AbortSignal;
}

/** Milliseconds. */
export interface S3Timeouts {
  /** Until a connection is made. */
  readonly connectMs: number;
  /** Until the answer to a request begins, its body sent. */
  readonly answerMs: number;
  /** Between two chunks of an answer that is waited for. */
  readonly chunkMs: number;
}

export const DEFAULT_TIMEOUTS: S3Timeouts = { connectMs: 2_000, answerMs: 8_000, chunkMs: 8_000 };

/** Tries of one request, the first included. They wait up to a second; what matters more is retried by the core. */
const MAX_ATTEMPTS = 3;

/**
 * A client of its own pool of at most `maxSockets` connections, which are kept. Checksums that S3 does not ask for are left to the caller:
 * servers other than AWS's refuse the form in which the SDK sends its own.
 */
export function createClient(options: S3Options, maxSockets: number): S3Client {
  const { region, endpoint, credentials, forcePathStyle = endpoint !== undefined } = options;
  const { connectMs, answerMs } = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const agent = { keepAlive: true, maxSockets };
  return new S3Client({
    region,
    forcePathStyle,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && { credentials }),
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: SILENT,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      // A slow client of ours makes a connection idle: how long a chunk may take is watched where it is waited for.
      socketTimeout: 0,
      httpAgent: agent,
      httpsAgent: agent,
      logger: SILENT,
    },
  });
}

/** The SDK's own words: the store's errors say what there is to say. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
