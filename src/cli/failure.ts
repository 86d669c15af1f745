import { getSystemErrorMessage } from 'node:util';
import { CommanderError } from 'commander';
import { EaselError } from '../client/errors.ts';
import { BackupError } from '../composition/backup/backup-error.ts';
import { MigrationError } from '../composition/migrate/migration-error.ts';
import { ConfigError, EX_CONFIG } from '../config/config.ts';
import {
  DatabaseInUseError,
  ForeignMediaError,
  ForeignRecordsError,
  ImageError,
  MediaInUseError,
  StorageSetupError,
} from '../core/domain/errors.ts';
import { InvalidKeyError } from '../security/api-keys.ts';
import { visibleLines } from './pictures/text.ts';

/** Exit code of a command that failed. */
export const EXIT_FAILED = 1;
/** Exit code of a wrong command line. */
export const EXIT_USAGE = 2;
/** Exit code of a command that was interrupted: 128 and the number of SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** Raised for a wrong command line, before anything is paid. The message begins with the option or argument, such as `--size: …`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A wrong field of a request, by its path such as `renditions.0`. */
interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** Raised for options that make no valid request, before anything is paid. The message has a line for each wrong option. */
export class InvalidRequestError extends UsageError {
  readonly errors: readonly FieldError[];

  constructor(errors: readonly FieldError[]) {
    super(describeFields(errors));
    this.errors = errors;
  }
}

/** Options that are named for one item of a field that is a list. */
const ITEM_OPTIONS: Readonly<Record<string, string>> = {
  renditions: '--rendition',
  labels: '--label',
  inputs: '--input',
  q: '--search',
};

function describeFields(errors: readonly FieldError[]): string {
  return errors.map(({ path, message }) => `${optionOf(path)}: ${message}`).join('\n');
}

/** What the service has against a request, with the options that it is about. */
function describeRefusal({ message, errors = [] }: EaselError): string {
  return errors.length === 0 ? message : `${message} (${describeFields(errors)})`;
}

/** The option, or the argument, that a field of the request came from. */
function optionOf(path: string): string {
  const [field = ''] = path.split('.');
  if (field === 'prompt') return 'PROMPT';
  return ITEM_OPTIONS[field] ?? `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Raised for a failure that the operator can act on. The message says what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Raised where a running service owns the database or the pictures of a command that works on its own. */
export class ServiceOwnsError extends Error {
  override readonly name = 'ServiceOwnsError';

  constructor(cause: Error) {
    super(`${cause.message}; to work on that service, name it: --url http://127.0.0.1:3000, or EASEL_URL`, { cause });
  }
}

/** What the process does with an error of a command: its exit code, and what it writes to standard error; null for nothing more. */
export interface Failure {
  readonly exitCode: number;
  readonly message: string | null;
}

/** Errors whose message is meant for the operator. */
const EXPECTED = [
  ImageError,
  DatabaseInUseError,
  MediaInUseError,
  BackupError,
  MigrationError,
  ForeignRecordsError,
  ServiceOwnsError,
  CommandError,
];

/** Codes of requests that are refused for what they ask for, before anything is paid. */
const WRONG_REQUESTS: ReadonlySet<string> = new Set(['invalid_request', 'unsupported_parameter']);

/** Maps every error of a command. An expected one is its message alone; a defect shows its stack only where the log level is `debug`. */
export function describeFailure(error: unknown, logLevel = ''): Failure {
  const { exitCode, message } = failureOf(error, logLevel);
  // A part of it may be what a provider or a server has said.
  return { exitCode, message: message && visibleLines(message) };
}

function failureOf(error: unknown, logLevel: string): Failure {
  // Help and version end by an error too. Commander has written what there is to say.
  if (error instanceof CommanderError) {
    return { exitCode: error.exitCode === 0 ? 0 : EXIT_USAGE, message: null };
  }
  if (error instanceof ConfigError || error instanceof ForeignMediaError || error instanceof StorageSetupError) {
    return { exitCode: EX_CONFIG, message: error.message };
  }
  if (error instanceof UsageError || error instanceof InvalidKeyError) {
    return { exitCode: EXIT_USAGE, message: error.message };
  }
  if ((error instanceof BackupError || error instanceof MigrationError) && error.isWrongUse) {
    return { exitCode: EXIT_USAGE, message: error.message };
  }
  if (error instanceof EaselError) {
    if (WRONG_REQUESTS.has(error.code)) return { exitCode: EXIT_USAGE, message: describeRefusal(error) };
    return { exitCode: EXIT_FAILED, message: describeProblem(error) };
  }
  const isExpected = error instanceof Error && EXPECTED.some((kind) => error instanceof kind);
  if (isExpected || isSystemError(error)) return { exitCode: EXIT_FAILED, message: error.message };
  const isVerbose = ['debug', 'trace'].includes(logLevel);
  const text = error instanceof Error ? (isVerbose && error.stack) || error.message : String(error);
  const advice = isVerbose ? '' : ' (LOG_LEVEL=debug shows where)';
  return { exitCode: EXIT_FAILED, message: `unexpected error, a defect of Easel: ${text}${advice}` };
}

/** What to do about a failure that the answer, written for callers of the API, does not say in the words of the command line. */
const ADVICE: Readonly<Record<string, string>> = {
  unauthorized: '; set EASEL_API_KEY to a key of that service',
  unreachable: '; is it running, and is the URL right?',
  forbidden: '; set EASEL_API_KEY to a key that may',
};

function describeProblem({ code, message }: EaselError): string {
  const sentence = message.replaceAll(/POST \/images\/(\S+)\/retry/g, 'easel retry $1');
  return `${sentence}${ADVICE[code] ?? ''} (${code})`;
}

/** What the operating system has against a file, in its words and with the code, such as `permission denied (EACCES)`. */
export function describeSystemError(error: Error): string {
  const { errno, code } = error as NodeJS.ErrnoException;
  return errno === undefined ? error.message : `${getSystemErrorMessage(errno)} (${code})`;
}

/** True for an error of the operating system, such as a full disk or a missing right; its message names the call and the path. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
