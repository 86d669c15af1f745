import { createHash } from 'node:crypto';
import {
  BOOLEANS,
  EDIT_PARAMETERS,
  GENERATION_PARAMETERS,
  NUMBERS,
  type OpenAiEdit,
  type OpenAiGeneration,
  type ResponseFormat,
} from '../../api/openai/requests.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { GivenInput } from '../../core/domain/input.ts';
import type { CallOptions, CreateImage } from '../../core/domain/request.ts';
import type { CallDefaults } from '../../core/images/call-defaults.ts';

/** What a call of the dialect asks for. */
export interface AskedPictures {
  readonly create: CreateImage;
  readonly count: number;
  readonly responseFormat: ResponseFormat;
  readonly stream: boolean;
  /** About the call itself; those about its pictures are in their records. */
  readonly warnings: readonly Warning[];
}

/** What a body of generations asks for. */
export function askedByGeneration(body: OpenAiGeneration, defaults: CallDefaults): AskedPictures {
  return asked(body, GENERATION_PARAMETERS, defaults);
}

/** What a body of edits asks for, with the pictures that came with it. */
export function askedByEdit(
  body: OpenAiEdit,
  inputs: readonly GivenInput[],
  mask: GivenInput | null,
  defaults: CallDefaults,
): AskedPictures {
  const { create, ...others } = asked(body, EDIT_PARAMETERS, defaults, body.input_fidelity);
  return { ...others, create: { ...create, inputs, mask } };
}

function asked(
  body: OpenAiGeneration,
  known: ReadonlySet<string>,
  defaults: CallDefaults,
  inputFidelity?: CallOptions['inputFidelity'] | null,
): AskedPictures {
  const model = body.model ?? null;
  const warnings: Warning[] = unknownParameters(body, known);
  const isStream = body.stream === true;
  const options = callOptions(body, inputFidelity);
  const namesNoShape = (body.size == null || body.size === 'auto') && body.output_format == null;
  const partials = isStream ? (body.partial_images ?? 0) : 0;
  if (!isStream && (body.partial_images ?? 0) > 0) {
    warnings.push({ code: 'parameter_dropped', detail: 'partial_images is for streams only; stream is not true' });
  }
  return {
    create: {
      prompt: body.prompt,
      model,
      size: body.size == null || body.size === 'auto' ? defaults.sizeFor(model) : body.size,
      quality: quality(body.quality ?? null, warnings),
      style: body.style,
      background: body.background,
      format: body.output_format,
      renditions: [],
      ...(namesNoShape && { takesAnyShape: true }),
      ...(Object.keys(options).length > 0 && { options }),
      ...(partials > 0 && { partials }),
      webhookUrl: body.webhook_url,
    },
    count: body.n ?? 1,
    responseFormat: body.response_format ?? (/^dall-e/.test(model ?? defaults.model) ? 'url' : 'b64_json'),
    stream: isStream,
    warnings,
  };
}

/** The names of DALL-E's qualities mean those of the models that followed it. */
const QUALITIES = { standard: 'medium', hd: 'high' } as const;

function quality(given: NonNullable<OpenAiGeneration['quality']> | null, warnings: Warning[]): CreateImage['quality'] {
  if (given !== 'standard' && given !== 'hd') return given;
  const mapped = QUALITIES[given];
  warnings.push({ code: 'parameter_mapped', detail: `quality ${given} was mapped to ${mapped}` });
  return mapped;
}

function callOptions(body: OpenAiGeneration, inputFidelity?: CallOptions['inputFidelity'] | null): CallOptions {
  const { moderation, output_compression: compression } = body;
  // An empty one counts as none, as in the published description.
  const safetyIdentifier = body.safety_identifier || body.user;
  return {
    ...(moderation != null && { moderation }),
    ...(compression != null && { compression }),
    ...(inputFidelity != null && { inputFidelity }),
    ...(safetyIdentifier && { safetyIdentifier }),
  };
}

/** Most unknown parameters that are named, each in so many characters: their names are the caller's, and warnings go out in a header. */
const MOST_NAMED = 10;
const LONGEST_NAME = 64;

function unknownParameters(body: object, known: ReadonlySet<string>): Warning[] {
  return Object.entries(body)
    .filter(([name, value]) => !known.has(name) && value !== null)
    .slice(0, MOST_NAMED)
    .map(([name]) => ({
      code: 'parameter_dropped',
      detail: `${name.slice(0, LONGEST_NAME)} is not a parameter of this API; it was ignored`,
    }));
}

/** SHA-256, in hex, of a JSON body of this route, whatever the order of its fields. */
export function digestOfJson(route: string, body: unknown): string {
  const sorted = JSON.stringify(body, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
  return digestOf(route, sorted);
}

/** SHA-256, in hex, of what was sent to this route. */
export function digestOf(route: string, content: string): string {
  return createHash('sha256').update(`${route}\n${content}`).digest('hex');
}

/** The value of a parameter that came as the text of a form. Text that is none of its type is left for the schema to refuse. */
export function valueOfText(name: string, text: string): unknown {
  if (NUMBERS.has(name) && /^-?\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
  if (BOOLEANS.has(name) && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
