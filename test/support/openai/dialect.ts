/**
 * What the OpenAI image API accepts and how it words refusals, as facts, independent of the server.
 *
 * Sources: the parameter documentation in the types of the `openai` package 7.57.0 and OpenAI's published model pages
 * as of 2026-11-22; the wording of the refusals follows answers quoted in public issue trackers. Nothing here is derived from
 * Easel's own catalog, so that tests compare the two.
 */

import sharp from 'sharp';

/** A day (UTC) on which these facts hold; models whose shutdown date is later are served. */
export const FACTS_DAY = '2026-11-22';

export type ImageOperation = 'generations' | 'edits';

/** A refusal: the `error` object of the answer, with its status. */
export interface Refusal {
  readonly status: number;
  readonly code: string | null;
  readonly type: string;
  readonly message: string;
  readonly param: string | null;
}

/** Returns the reason why a value is refused, or null. */
export type Rule = (value: unknown, name: string) => Refusal | null;

/** A model as the stand-in serves it. */
export interface ServedModel {
  /** The first day (YYYY-MM-DD, UTC) on which it is refused; null where none is announced. */
  shutdownDate: string | null;
  /** The parameters it takes; any other is refused as unknown. */
  parameters: Readonly<Record<string, Rule>>;
  /** Those it takes for edits besides `image` and `mask`; null where it cannot edit. */
  editParameters: Readonly<Record<string, Rule>> | null;
  /** The answer is a URL unless base64 is asked for, and prompts are revised, as with DALL-E. */
  answersUrl: boolean;
}

/** A file of a multipart request. */
export interface UploadedFile {
  /** The field's name: `image`, `image[]`, `mask`. */
  readonly field: string;
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Of the bytes, in hex. */
  readonly sha256: string;
}

// --------------------------------------------------------------- refusals

/** The errors in the API's own wording. Headers such as `Retry-After` are left to the behaviour that sends them. */
export const OPENAI_ERRORS = {
  moderation_blocked: row(
    400,
    'image_generation_user_error',
    'moderation_blocked',
    'Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com and include the request ID.',
  ),
  content_policy_violation: row(
    400,
    'invalid_request_error',
    'content_policy_violation',
    'Your request was rejected as a result of our safety system.',
  ),
  billing_hard_limit_reached: row(
    400,
    'billing_limit_user_error',
    'billing_hard_limit_reached',
    'Billing hard limit has been reached',
  ),
  invalid_api_key: row(401, 'invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'),
  organization_not_verified: row(
    403,
    'invalid_request_error',
    null,
    'Your organization must be verified to use the model. Please go to the organization settings and click on Verify Organization.',
  ),
  model_not_found: row(
    404,
    'invalid_request_error',
    'model_not_found',
    'The model does not exist or you do not have access to it.',
  ),
  conflict: row(409, 'invalid_request_error', null, 'The request conflicts with another one. Please try again.'),
  insufficient_quota: row(
    429,
    'insufficient_quota',
    'insufficient_quota',
    'You exceeded your current quota, please check your plan and billing details.',
  ),
  credit_balance_exhausted: row(
    429,
    'insufficient_quota',
    'credit_balance_exhausted',
    'Your credit balance is exhausted. Please add credits to continue.',
  ),
  rate_limit_exceeded: row(
    429,
    'requests',
    'rate_limit_exceeded',
    'Rate limit reached for images per minute: Limit 5, Used 5, Requested 1. Please try again in 12s.',
  ),
  slow_down: row(429, 'requests', 'slow_down', 'Please slow down: reduce the rate of your requests.'),
  server_error: row(
    500,
    'server_error',
    null,
    'The server had an error while processing your request. Sorry about that!',
  ),
  server_is_overloaded: row(
    503,
    'service_unavailable_error',
    'server_is_overloaded',
    'Our servers are currently overloaded. Please try again later.',
  ),
} as const satisfies Record<string, Refusal>;

export type OpenAiErrorName = keyof typeof OPENAI_ERRORS;

export function missingKey(): Refusal {
  return {
    ...OPENAI_ERRORS.invalid_api_key,
    message: "You didn't provide an API key. Send it as a bearer token in the Authorization header.",
  };
}

/** Quotes the two ends of the wrong key, as the API does. */
export function wrongKey(key: string): Refusal {
  const masked = `${key.slice(0, 3)}${'*'.repeat(Math.max(0, key.length - 7))}${key.slice(-4)}`;
  return { ...OPENAI_ERRORS.invalid_api_key, message: `Incorrect API key provided: ${masked}.` };
}

export function unknownUrl(method: string, path: string): Refusal {
  return badRequest({ status: 404, message: `Invalid URL (${method} ${path})` });
}

export function wrongMethod(method: string, path: string): Refusal {
  return badRequest({ status: 405, code: 'method_not_supported', message: `Not allowed to ${method} on ${path}.` });
}

export function unknownParameter(param: string): Refusal {
  return badRequest({ code: 'unknown_parameter', param, message: `Unknown parameter: '${param}'.` });
}

export function unreadableBody(): Refusal {
  return badRequest({ message: 'We could not parse the JSON body of your request.' });
}

export function modelNotFound(id: string): Refusal {
  return {
    ...OPENAI_ERRORS.model_not_found,
    message: `The model '${id}' does not exist or you do not have access to it.`,
    param: 'model',
  };
}

function row<Code extends string | null>(status: number, type: string, code: Code, message: string) {
  return { status, type, code, message, param: null };
}

function badRequest(refusal: Partial<Refusal> & { readonly message: string }): Refusal {
  return { status: 400, code: null, type: 'invalid_request_error', param: null, ...refusal };
}

function invalidValue(param: string, message: string): Refusal {
  return badRequest({ code: 'invalid_value', param, message });
}

// ----------------------------------------------------------------- models

const text: Rule = (value, param) =>
  typeof value === 'string'
    ? null
    : badRequest({ code: 'invalid_type', param, message: `Invalid type for '${param}': expected a string.` });

const flag: Rule = (value, param) =>
  typeof value === 'boolean'
    ? null
    : badRequest({ code: 'invalid_type', param, message: `Invalid type for '${param}': expected a boolean.` });

function oneOf(...values: readonly string[]): Rule {
  const supported = values.map((value) => `'${value}'`).join(', ');
  return (value, param) =>
    values.some((known) => known === value)
      ? null
      : invalidValue(param, `Invalid value: '${String(value)}'. Supported values are: ${supported}.`);
}

function integer(min: number, max: number): Rule {
  return (value, param) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? null
      : invalidValue(param, `Invalid '${param}': expected an integer from ${min} to ${max}, but got ${String(value)}.`);
}

/** Lengths are counted in code points. */
function prompt(limit: number): Rule {
  return (value, param) => {
    if (typeof value !== 'string') return text(value, param);
    const { length } = Array.from(value);
    if (length === 0) return invalidValue(param, `Invalid '${param}': empty string.`);
    if (length <= limit) return null;
    return badRequest({
      code: 'string_above_max_length',
      param,
      message: `Invalid '${param}': string too long. Expected a string with maximum length ${limit}, but got a string with length ${length} instead.`,
    });
  };
}

/** Any size in steps of 16, ratio 1:3 to 3:1, edge up to 3840, 655,360 to 8,294,400 pixels; or `auto`. */
const flexibleSize: Rule = (value, param) => {
  if (value === 'auto') return null;
  const size = parseSize(value);
  const pixels = size ? size.width * size.height : 0;
  const isLegal =
    size !== null &&
    size.width % 16 === 0 &&
    size.height % 16 === 0 &&
    Math.max(size.width, size.height) <= 3840 &&
    Math.max(size.width, size.height) <= 3 * Math.min(size.width, size.height) &&
    pixels >= 655_360 &&
    pixels <= 8_294_400;
  return isLegal
    ? null
    : invalidValue(
        param,
        `Invalid size '${String(value)}'. Width and height must be divisible by 16, up to 3840, in a ratio of 1:3 to 3:1, with 655360 to 8294400 pixels.`,
      );
};

const classicSize = oneOf('1024x1024', '1536x1024', '1024x1536', 'auto');
const classicQuality = oneOf('low', 'medium', 'high', 'auto');
const extendedQuality = oneOf('low', 'medium', 'high', 'xhigh', 'max', 'auto');

function gptImage(
  size: Rule,
  quality: Rule,
  shutdownDate: string | null,
  onlyEdits: Readonly<Record<string, Rule>> = {},
): ServedModel {
  const shared = {
    model: text,
    prompt: prompt(32_000),
    size,
    quality,
    n: integer(1, 10),
    background: oneOf('transparent', 'opaque', 'auto'),
    output_format: oneOf('png', 'webp', 'jpeg'),
    output_compression: integer(0, 100),
    stream: flag,
    partial_images: integer(0, 3),
    complexity: oneOf('low', 'medium', 'high'),
    safety_identifier: text,
    user: text,
  };
  return {
    shutdownDate,
    parameters: { ...shared, moderation: oneOf('auto', 'low') },
    editParameters: { ...shared, ...onlyEdits },
    answersUrl: false,
  };
}

function dallE(
  promptLimit: number,
  size: Rule,
  quality: Rule,
  maxPictures: number,
  style: Readonly<Record<string, Rule>> = {},
): ServedModel {
  const parameters = {
    model: text,
    prompt: prompt(promptLimit),
    size,
    quality,
    n: integer(1, maxPictures),
    response_format: oneOf('url', 'b64_json'),
    user: text,
    ...style,
  };
  return { shutdownDate: '2026-05-12', parameters, editParameters: null, answersUrl: true };
}

/** The models as of `FACTS_DAY`, a new map each time. */
export function servedModels(): Map<string, ServedModel> {
  const fidelity = { input_fidelity: oneOf('high', 'low') };
  return new Map([
    ['dall-e-2', dallE(1_000, oneOf('256x256', '512x512', '1024x1024'), oneOf('standard'), 10)],
    [
      'dall-e-3',
      dallE(4_000, oneOf('1024x1024', '1792x1024', '1024x1792'), oneOf('standard', 'hd'), 1, {
        style: oneOf('vivid', 'natural'),
      }),
    ],
    ['gpt-image-1', gptImage(classicSize, classicQuality, '2026-10-23', fidelity)],
    ['gpt-image-1-mini', gptImage(classicSize, classicQuality, '2026-12-01', { input_fidelity: oneOf('low') })],
    ['gpt-image-1.5', gptImage(classicSize, classicQuality, '2026-12-01', fidelity)],
    ['chatgpt-image-latest', gptImage(classicSize, classicQuality, '2026-12-01', fidelity)],
    ['gpt-image-2', gptImage(flexibleSize, classicQuality, null)],
    ['gpt-image-2-2026-04-21', gptImage(flexibleSize, classicQuality, null)],
    ['gpt-image-2.5-sunburst', gptImage(flexibleSize, extendedQuality, null)],
    ['gpt-image-2.5-sunburst-2026-09-08', gptImage(flexibleSize, extendedQuality, null)],
    ['gpt-image-2.5-flare', gptImage(flexibleSize, extendedQuality, null)],
    ['gpt-image-2.5-flare-2026-09-08', gptImage(flexibleSize, extendedQuality, null)],
    ['gpt-image-2.6-sunburst', gptImage(flexibleSize, extendedQuality, null)],
    ['gpt-image-2.6-flare', gptImage(flexibleSize, extendedQuality, null)],
  ]);
}

/** Whether the model is still served on `day` (YYYY-MM-DD). */
export function isServed(model: ServedModel, day: string): boolean {
  return model.shutdownDate === null || day < model.shutdownDate;
}

// -------------------------------------------------------------- validation

/** The first reason why the API would refuse this call, in the API's order of checks; null where it accepts the call. */
export async function refusalOf(
  operation: ImageOperation,
  body: Readonly<Record<string, unknown>>,
  files: readonly UploadedFile[],
  models: ReadonlyMap<string, ServedModel>,
  day: string,
): Promise<Refusal | null> {
  const { model: id } = body;
  if (typeof id !== 'string') return missingParameter('model');
  const model = models.get(id);
  if (!model || !isServed(model, day)) return modelNotFound(id);
  const rules = operation === 'generations' ? model.parameters : model.editParameters;
  if (!rules) return invalidValue('model', `The model '${id}' does not support image edits.`);
  return (
    refusalOfParameters(body, rules) ??
    refusalOfCombination(body) ??
    (operation === 'edits' ? await refusalOfFiles(files) : null)
  );
}

function missingParameter(param: string): Refusal {
  return badRequest({
    code: 'missing_required_parameter',
    param,
    message: `Missing required parameter: '${param}'.`,
  });
}

function refusalOfParameters(
  body: Readonly<Record<string, unknown>>,
  rules: Readonly<Record<string, Rule>>,
): Refusal | null {
  const unknown = Object.keys(body).find((name) => !Object.hasOwn(rules, name));
  if (unknown !== undefined) return unknownParameter(unknown);
  if (body.prompt === undefined || body.prompt === null) return missingParameter('prompt');
  for (const [name, rule] of Object.entries(rules)) {
    const value = body[name];
    const refusal = value === undefined || value === null ? null : rule(value, name);
    if (refusal) return refusal;
  }
  return null;
}

function refusalOfCombination(body: Readonly<Record<string, unknown>>): Refusal | null {
  const format = body.output_format ?? 'png';
  if (body.background === 'transparent' && format === 'jpeg') {
    return invalidValue('background', 'Transparent background is not supported for the output format jpeg.');
  }
  if (format === 'png' && typeof body.output_compression === 'number' && body.output_compression < 100) {
    return invalidValue('output_compression', 'Compression less than 100 is not supported for PNG output format.');
  }
  return null;
}

const MEGABYTE = 1024 * 1024;

async function refusalOfFiles(files: readonly UploadedFile[]): Promise<Refusal | null> {
  const unexpected = files.find(({ field }) => field !== 'image' && field !== 'image[]' && field !== 'mask');
  if (unexpected) return unknownParameter(unexpected.field);
  const images = files.filter(({ field }) => field !== 'mask');
  const first = images[0];
  if (!first) return missingParameter('image');
  if (images.length > 16) return invalidValue('image', `Too many images: at most 16, but got ${images.length}.`);
  for (const image of images) {
    const { format } = await metadataOf(image);
    if (image.bytes.length >= 50 * MEGABYTE || !['png', 'webp', 'jpeg'].includes(format)) {
      return badRequest({
        code: 'invalid_image_file',
        param: 'image',
        message: 'Invalid image file: expected a png, webp or jpg of less than 50MB.',
      });
    }
  }

  const mask = files.find(({ field }) => field === 'mask');
  if (!mask) return null;
  const [shape, base] = await Promise.all([metadataOf(mask), metadataOf(first)]);
  const fits = shape.width === base.width && shape.height === base.height;
  return fits && shape.format === 'png' && shape.hasAlpha && mask.bytes.length < 4 * MEGABYTE
    ? null
    : badRequest({
        code: 'invalid_image_file',
        param: 'mask',
        message: 'Invalid mask: expected a png with alpha of less than 4MB, of the same size as the image.',
      });
}

async function metadataOf({ bytes }: UploadedFile) {
  try {
    const { format, width, height, hasAlpha } = await sharp(bytes).metadata();
    return { format: String(format), width, height, hasAlpha };
  } catch {
    return { format: 'none', width: 0, height: 0, hasAlpha: false };
  }
}

// ---------------------------------------------------------------- requests

/** What a call asks for, with the API's defaults filled in and everything unreadable replaced by a default. */
export interface WantedPicture {
  readonly operation: ImageOperation;
  readonly prompt: string;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  readonly quality: string;
  readonly format: 'png' | 'jpeg' | 'webp';
  readonly compression: number;
  readonly transparent: boolean;
  readonly as: 'b64_json' | 'url';
  readonly stream: boolean;
  readonly partialImages: number;
}

export function wantedPicture(
  operation: ImageOperation,
  body: Readonly<Record<string, unknown>>,
  model: ServedModel | undefined,
): WantedPicture {
  const { prompt: words, n, output_format: format, quality, output_compression: compression } = body;
  const byDefault = model?.answersUrl ? 'url' : 'b64_json';
  return {
    operation,
    prompt: typeof words === 'string' ? words : '',
    count: typeof n === 'number' ? n : 1,
    ...(parseSize(body.size) ?? { width: 1024, height: 1024 }),
    // The answer never says auto: the API names what it chose.
    quality: typeof quality === 'string' && quality !== 'auto' ? quality : 'high',
    format: format === 'jpeg' || format === 'webp' ? format : 'png',
    compression: typeof compression === 'number' ? compression : 100,
    transparent: body.background === 'transparent',
    as: body.response_format === 'url' || body.response_format === 'b64_json' ? body.response_format : byDefault,
    stream: body.stream === true,
    partialImages: typeof body.partial_images === 'number' ? body.partial_images : 0,
  };
}

/** The text fields of a form, with those that JSON would send as numbers or booleans converted. */
export function typedFields(fields: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (/^(n|output_compression|partial_images)$/.test(name) && /^\d+$/.test(value)) return [name, Number(value)];
      if (name === 'stream' && /^(true|false)$/.test(value)) return [name, value === 'true'];
      return [name, value];
    }),
  );
}

/** `1536x1024` as numbers; null for `auto`, for any other text, and beyond 100 million pixels. */
export function parseSize(value: unknown): { readonly width: number; readonly height: number } | null {
  const [, width, height] = (typeof value === 'string' && /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(value)) || [];
  const size = { width: Number(width), height: Number(height) };
  return size.width * size.height <= 100_000_000 ? size : null;
}

// ------------------------------------------------------------------- usage

export interface Usage {
  readonly input_tokens: number;
  readonly input_tokens_details: { readonly text_tokens: number; readonly image_tokens: number };
  readonly output_tokens: number;
  readonly output_tokens_details?: { readonly text_tokens: number; readonly image_tokens: number };
  readonly total_tokens: number;
}

/** The factor f of OpenAI's calculator for gpt-image-2; no counts are known for the other qualities. */
const FACTORS: Readonly<Record<string, number>> = { low: 16, medium: 48, high: 96 };

/** The counts of gpt-image-2: output tokens by the calculator's formula, and 100 for each partial picture of a stream. */
export function usageOf(wanted: WantedPicture, inputImages: number): Usage {
  const textTokens = Math.ceil(Array.from(wanted.prompt).length / 4);
  const imageTokens = inputImages * 323;
  const { width, height, count, stream, partialImages } = wanted;
  const factor = FACTORS[wanted.quality] ?? 96;
  const shorter = Math.floor((factor * Math.min(width, height)) / Math.max(width, height) + 0.5);
  const perPicture = Math.ceil((factor * shorter * (2e6 + width * height)) / 4e6);
  const output = perPicture * count + (stream ? 100 * partialImages : 0);
  return {
    input_tokens: textTokens + imageTokens,
    input_tokens_details: { text_tokens: textTokens, image_tokens: imageTokens },
    output_tokens: output,
    output_tokens_details: { text_tokens: 0, image_tokens: output },
    total_tokens: textTokens + imageTokens + output,
  };
}
