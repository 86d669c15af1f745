import type { ImagesResponse } from 'openai/resources/images';
import type { TokenUsage } from '../../../../core/domain/money.ts';
import { keepOutsideText, type MaskSecrets } from '../../../../core/domain/text/outside-text.ts';
import { parseRateLimit } from './rate-limit-headers.ts';

/** What the status line and the headers of a response say about the call. */
export interface ResponseHeaders {
  readonly httpStatus: number;
  readonly providerRequestId: string | null;
  /** Milliseconds until the rate limit allows another call; null where it allows one now. */
  readonly pauseMs: number | null;
}

/** Reads the status, the request id and the rate limit of a response, which came at `now`, in milliseconds since 1970. */
export function readHeaders({ status, headers }: Response, now: number, maskSecrets: MaskSecrets): ResponseHeaders {
  return {
    httpStatus: status,
    providerRequestId: keepRequestId(headers.get('x-request-id'), maskSecrets),
    pauseMs: parseRateLimit((header) => headers.get(header), now),
  };
}

/** No API has longer ones. */
const MAX_REQUEST_ID = 200;

/** The id by which the server knows a request, as it is kept; null where it sends none. */
export function keepRequestId(id: string | null | undefined, maskSecrets: MaskSecrets): string | null {
  const text = given(id);
  return text === null ? null : keepOutsideText(text, MAX_REQUEST_ID, maskSecrets);
}

/** A text that a server sent; null for an empty one, which means the same as none, and for any other value. */
export function given(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null;
}

/** The tokens that a parsed response body, or the last event of a stream, reports; null where it reports none. */
export function readUsage(body: object): TokenUsage | null {
  const { usage, svg_usage: svg } = body as Partial<ImagesResponse>;
  const output = count(usage?.output_tokens);
  if (!usage || output === null) return null;
  const details = usage.input_tokens_details as
    | { text_tokens?: number; image_tokens?: number; cached_tokens?: number }
    | null
    | undefined;
  const imageInput = count(details?.image_tokens) ?? 0;
  return {
    textInput: count(details?.text_tokens) ?? Math.max(0, (count(usage.input_tokens) ?? 0) - imageInput),
    imageInput,
    cachedInput: count(details?.cached_tokens) ?? 0,
    output,
    ...(svg && { svg: readSvgUsage(svg) }),
  };
}

/** Reasoning tokens are output; the types do not say whether `output_tokens` holds them, but the total does. */
function readSvgUsage(usage: Partial<ImagesResponse.SvgUsage>): NonNullable<TokenUsage['svg']> {
  const input = count(usage.input_tokens) ?? 0;
  const output = Math.max(count(usage.output_tokens) ?? 0, (count(usage.total_tokens) ?? 0) - input);
  return { input, output };
}

/** A number of tokens; null for anything else, such as the empty text that some servers fill in. */
function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
