/**
 * Rewrites an error response into OpenAI's shape, `{error: {message, code, type, param}}`, the only one the SDK reads: for
 * others, such as vLLM's `{detail}`, it reports an error without a body. Successful responses pass through unchanged.
 */
export async function toOpenAIError(response: Response): Promise<Response> {
  if (response.ok) return response;
  // When the body breaks off, the status still says which error it is.
  const error = readError(await readStart(response).catch(() => ''));
  return new Response(JSON.stringify({ error }), { status: response.status, headers: response.headers });
}

/** Far more than any error says. What is longer is no JSON once it is cut, and is shown as text. */
const MAX_ERROR_BYTES = 1024 * 1024;

/** The start of the body as text; the rest is not read. */
async function readStart({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let left = MAX_ERROR_BYTES;
  for await (const chunk of body ?? []) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    // Leaving the loop closes the connection.
    if (left <= 0) break;
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** What an error body says, whatever its shape. */
export interface ErrorBody {
  readonly message: string;
  readonly code: string | null;
  readonly type: string | null;
  /** The parameter that was not accepted. */
  readonly param: string | null;
  /** The status that the body itself names. */
  readonly status: number | null;
  /** True for JSON with `error` or `detail`, as the APIs write it; false for what a gateway or a proxy may have sent instead. */
  readonly isOwn: boolean;
}

/** Raised for an error that a successful response holds in the place of its picture. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError';
  readonly body: ErrorBody;
  /** True where it ended a stream: the picture may have been begun. */
  readonly inStream: boolean;

  constructor(body: ErrorBody, inStream: boolean) {
    super(body.message);
    this.body = body;
    this.inStream = inStream;
  }
}

/**
 * The error that a JSON value of a successful response reports; null where it reports none. `isError` says that the response itself
 * calls the value an error, whatever it holds.
 */
export function errorIn(value: unknown, isError = false): ErrorBody | null {
  if (!isObject(value)) return null;
  return isError || isGiven(value.error) || isGiven(value.detail) ? readErrorObject(value) : null;
}

/**
 * Reads an error body of any of the known shapes: OpenAI's and Azure's `{error: {…}}`, `{error: "…"}`, vLLM's and FastAPI's
 * `{detail: "…"}` or `{detail: [{msg}]}`, the bare `{message, code}` of Azure's gateway and older vLLM, HTML, plain text.
 */
function readError(text: string): ErrorBody {
  const body = parseObject(text);
  return body === null ? { ...NO_DETAILS, message: describeText(text) } : readErrorObject(body);
}

function readErrorObject(body: Record<string, unknown>): ErrorBody {
  const given = [body.error, body.detail].find(isGiven);
  const error = given ?? body;
  const isOwn = given !== undefined;
  const outerStatus = statusOf(body.status, body.status_code, body.statusCode, body.code);
  if (!isObject(error)) {
    const isInvalid = isValidationList(error);
    return {
      ...NO_DETAILS,
      message: messageOf(error),
      param: isInvalid ? paramOf(error) : null,
      status: outerStatus ?? (isInvalid ? VALIDATION_STATUS : null),
      isOwn,
    };
  }
  // Azure's inner code names the filter that refused; the outer one may only repeat the status.
  const inner = error.inner_error ?? error.innererror;
  return {
    message: messageOf(error.message ?? error),
    code: (isObject(inner) ? codeText(inner.code) : null) ?? codeText(error.code),
    type: codeText(error.type),
    param: codeText(error.param),
    status: statusOf(error.status, error.status_code, error.code) ?? outerStatus,
    isOwn,
  };
}

const NO_DETAILS = { code: null, type: null, param: null, status: null, isOwn: false };

/** The status under which FastAPI sends its list of validation errors. */
const VALIDATION_STATUS = 422;

/** One of FastAPI's validation errors: `{loc: ["body", "size"], msg: "field required"}`. */
type ValidationError = Readonly<Record<string, unknown>>;

function isValidationList(value: unknown): value is readonly ValidationError[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

/** The parameter that the first error of the list is about. */
function paramOf([first]: readonly ValidationError[]): string | null {
  return Array.isArray(first?.loc) ? codeText(first.loc.at(-1)) : null;
}

/** False for an empty value: servers that fill in every field of their schema send `error: null` or `detail: ""` with a good answer. */
function isGiven(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== '' && value !== false;
}

/** The first of the values that is an HTTP status of an error, as a number or as text. */
function statusOf(...values: readonly unknown[]): number | null {
  return values.map((value) => Number(codeText(value))).find((status) => status >= 400 && status <= 599) ?? null;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A code as text: some servers send a number, such as the status. Null for an empty one. */
function codeText(value: unknown): string | null {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : null;
}

function messageOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isValidationList(value)) {
    return value.map(({ loc, msg }) => `${Array.isArray(loc) ? `${loc.join('.')}: ` : ''}${msg}`).join('; ');
  }
  try {
    return JSON.stringify(value);
  } catch {
    // JSON is parsed to any depth, but not written.
    return 'with an error that is nested too deeply to be shown';
  }
}

/** The text itself, or the title of a proxy's HTML page. */
function describeText(text: string): string {
  if (text.trim() === '') return 'without a body';
  if (!/^\s*<(!doctype|html|\?xml)/i.test(text)) return text;
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
  return title ? `an HTML page, "${title}"` : 'an HTML page';
}
