/**
 * Rewrites an error response into OpenAI's shape, `{error: {message, code, type, param}}`, the only one the SDK reads: for
 * others, such as vLLM's `{detail}`, it reports an error without a body. Successful responses pass through unchanged.
 */
export async function toOpenAIError(response: Response): Promise<Response> {
  if (response.ok) return response;
  // When the body breaks off, the status still says which error it is.
  const error = readError(await response.text().catch(() => ''));
  return new Response(JSON.stringify({ error }), { status: response.status, headers: response.headers });
}

interface ErrorBody {
  readonly message: string;
  readonly code: string | null;
  readonly type: string | null;
  readonly param: string | null;
}

/**
 * Reads an error body of any of the known shapes: OpenAI's and Azure's `{error: {…}}`, `{error: "…"}`, vLLM's and FastAPI's
 * `{detail: "…"}` or `{detail: [{msg}]}`, the bare `{message, code}` of Azure's gateway and older vLLM, HTML, plain text.
 */
function readError(text: string): ErrorBody {
  const body = parseObject(text);
  if (body === null) return { ...NO_DETAILS, message: describeText(text) };
  const error = body.error ?? body.detail ?? body;
  if (!isObject(error)) return { ...NO_DETAILS, message: messageOf(error) };
  // Azure's inner code names the filter that refused; the outer one may only repeat the status.
  const inner = error.inner_error ?? error.innererror;
  return {
    message: messageOf(error.message ?? error),
    code: (isObject(inner) ? codeText(inner.code) : null) ?? codeText(error.code),
    type: codeText(error.type),
    param: codeText(error.param),
  };
}

const NO_DETAILS = { code: null, type: null, param: null };

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

/** A code as text: some servers send a number, such as the status. */
function codeText(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function messageOf(value: unknown): string {
  if (typeof value === 'string') return value;
  // FastAPI's validation errors: `[{loc: ["body", "size"], msg: "field required"}]`.
  if (Array.isArray(value) && value.every(isObject)) {
    return value.map(({ loc, msg }) => `${Array.isArray(loc) ? `${loc.join('.')}: ` : ''}${msg}`).join('; ');
  }
  return JSON.stringify(value);
}

/** The text itself, or the title of a proxy's HTML page. */
function describeText(text: string): string {
  if (text.trim() === '') return 'without a body';
  if (!/^\s*<(!doctype|html|\?xml)/i.test(text)) return text;
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
  return title ? `an HTML page, "${title}"` : 'an HTML page';
}
