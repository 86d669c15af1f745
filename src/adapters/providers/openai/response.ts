import type { ImagesResponse } from 'openai/resources/images';
import { ProviderError } from '../../../core/domain/errors.ts';
import type { TokenUsage } from '../../../core/ports/provider.ts';
import { parseRateLimit } from './rate-limit-headers.ts';

/** What the status line and the headers of a response say about the call. */
interface ResponseHeaders {
  readonly httpStatus: number;
  readonly providerRequestId: string | null;
  /** Milliseconds until the rate limit allows another call; null where it allows one now. */
  readonly pauseMs: number | null;
}

/** Reads the status, the request id and the rate limit of a response. */
export function readHeaders({ status, headers }: Response): ResponseHeaders {
  return {
    httpStatus: status,
    providerRequestId: headers.get('x-request-id'),
    pauseMs: parseRateLimit((header) => headers.get(header)),
  };
}

/** One picture of a response body, with the fields whose types were checked. */
interface ResponsePicture {
  /** Base64, or the reference that stands for it: see `inlinePicture`. */
  readonly b64_json?: string;
  readonly url?: string;
  readonly revised_prompt?: string;
}

/**
 * The first picture of a parsed response body. Checks every type, since compatible servers send all kinds of bodies with
 * a 200. Raises `ProviderError` with `empty` where there is no picture.
 */
export function firstPicture(body: unknown, { httpStatus, providerRequestId }: ResponseHeaders): ResponsePicture {
  const data = typeof body === 'object' && body !== null && 'data' in body ? body.data : null;
  const picture: unknown = Array.isArray(data) ? data[0] : null;
  if (typeof picture !== 'object' || picture === null) {
    throw new ProviderError('empty', `the successful response (${httpStatus}) holds no picture`, {
      httpStatus,
      providerRequestId,
    });
  }
  const { b64_json, url, revised_prompt } = picture as Record<string, unknown>;
  return {
    ...(typeof b64_json === 'string' && { b64_json }),
    ...(typeof url === 'string' && { url }),
    ...(typeof revised_prompt === 'string' && { revised_prompt }),
  };
}

/** The tokens that a parsed response body reports; null where it reports none. Call after `firstPicture` accepted the body. */
export function readUsage(body: unknown): TokenUsage | null {
  const { usage, svg_usage: svg } = body as Partial<ImagesResponse>;
  if (!usage || !Number.isFinite(usage.output_tokens)) return null;
  const details = usage.input_tokens_details as
    | { text_tokens?: number; image_tokens?: number; cached_tokens?: number }
    | undefined;
  const imageInput = details?.image_tokens ?? 0;
  return {
    textInput: details?.text_tokens ?? Math.max(0, (usage.input_tokens ?? 0) - imageInput),
    imageInput,
    cachedInput: details?.cached_tokens ?? 0,
    output: usage.output_tokens,
    ...(svg && { svg: readSvgUsage(svg) }),
  };
}

/** Reasoning tokens are output; the types do not say whether `output_tokens` holds them, but the total does. */
function readSvgUsage(usage: Partial<ImagesResponse.SvgUsage>): NonNullable<TokenUsage['svg']> {
  const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: total = 0 } = usage;
  return { input, output: Math.max(output, total - input) };
}
