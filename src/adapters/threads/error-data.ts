import type { ImageErrorCode } from '../../core/domain/errors.ts';
import { ImageError, type ImageErrorOptions, ProviderError, type ProviderFault } from '../../core/domain/errors.ts';

/** An error as plain data. Structured cloning keeps only name, message, stack and cause of an error, and not its class. */
export type ErrorData = Common &
  (
    | { readonly kind: 'image'; readonly code: ImageErrorCode; readonly options: ImageErrorOptions }
    | { readonly kind: 'provider'; readonly fault: ProviderFault; readonly options: ProviderErrorOptions }
    | { readonly kind: 'other'; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }
  );

interface Common {
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause: ErrorData | null;
}

type ProviderErrorOptions = Pick<
  ProviderError,
  'httpStatus' | 'providerRequestId' | 'retryAfterMs' | 'reason' | 'parameter'
>;

/** Causes of causes beyond this depth are left out. */
const MAX_CAUSES = 5;
/** Fields by which errors of the system and of libraries are recognised. */
const FIELDS = ['code', 'errno', 'syscall', 'path'] as const;

/** The error as data that `fromErrorData` makes an error of again, on another thread. What was thrown and is no error becomes one. */
export function toErrorData(error: unknown, depth = 0): ErrorData {
  if (!(error instanceof Error)) return toErrorData(new Error(String(error)), depth);
  const cause = error.cause === undefined || depth >= MAX_CAUSES ? null : toErrorData(error.cause, depth + 1);
  const common = { message: error.message, stack: error.stack, cause };
  if (error instanceof ImageError) {
    const { code, paths, retryAfterSeconds, isLasting, mediaId, checks } = error;
    const given = { ...(retryAfterSeconds !== null && { retryAfterSeconds }), ...(mediaId !== null && { mediaId }) };
    return { ...common, kind: 'image', code, options: { paths, isLasting, checks, ...given } };
  }
  if (error instanceof ProviderError) {
    const { fault, httpStatus, providerRequestId, retryAfterMs, reason, parameter } = error;
    const options = { httpStatus, providerRequestId, retryAfterMs, reason, parameter };
    return { ...common, kind: 'provider', fault, options };
  }
  const values = error as unknown as Readonly<Record<string, unknown>>;
  const fields = FIELDS.filter((name) => ['string', 'number'].includes(typeof values[name]));
  return {
    ...common,
    kind: 'other',
    name: error.name,
    fields: Object.fromEntries(fields.map((name) => [name, values[name]])),
  };
}

/** The error that `toErrorData` described: an `ImageError` or `ProviderError` with all its fields, or an `Error` with name, code, stack. */
export function fromErrorData(data: ErrorData): Error {
  const cause = data.cause === null ? {} : { cause: fromErrorData(data.cause) };
  const error = restored(data, cause);
  if (data.stack !== undefined) define(error, 'stack', data.stack);
  return error;
}

function restored(data: ErrorData, cause: ErrorOptions): Error {
  if (data.kind === 'image') return new ImageError(data.code, data.message, { ...data.options, ...cause });
  if (data.kind === 'provider') return new ProviderError(data.fault, data.message, { ...data.options, ...cause });
  const error = Object.assign(new Error(data.message, cause), data.fields);
  if (data.name !== error.name) define(error, 'name', data.name);
  return error;
}

/** As the fields of built-in errors are: not enumerable, so that they are not logged twice. */
function define(error: Error, name: 'stack' | 'name', value: string): void {
  Object.defineProperty(error, name, { value, writable: true, configurable: true, enumerable: false });
}
