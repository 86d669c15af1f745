/** Answers of the OpenAI dialect: pictures, streamed pictures, tasks and models. */

import { z } from 'zod';
import type { Quality } from '../../core/domain/formats.ts';
import { formatSize } from '../../core/domain/geometry.ts';
import type { Image } from '../../core/domain/image.ts';
import { addCosts, type TokenUsage, ZERO_COST } from '../../core/domain/money.ts';
import type { OfferedModel } from '../../core/models/model-list.ts';
import { isShutDown } from '../../core/models/retirement.ts';

const usage = z
  .strictObject({
    input_tokens: z.int(),
    input_tokens_details: z.strictObject({
      text_tokens: z.int(),
      image_tokens: z.int(),
      cached_tokens: z.int().optional(),
    }),
    output_tokens: z.int(),
    total_tokens: z.int(),
  })
  .meta({ id: 'OpenAiUsage', description: 'The sum over the pictures; zeros where the provider reported none.' });

const picture = z
  .strictObject({
    b64_json: z.string().optional().meta({ description: 'The file in base64.' }),
    url: z.string().optional().meta({ description: 'Of the stored file; it lasts as long as the picture is kept.' }),
    revised_prompt: z.string().optional().meta({ description: 'As the model rewrote the prompt, where it says so.' }),
  })
  .meta({ id: 'OpenAiPicture' });

/** Answer of generations and edits. */
export const openAiPictures = z
  .strictObject({
    created: z.int().meta({ description: 'Seconds since 1970.' }),
    data: z.array(picture),
    size: z.string().meta({ examples: ['1536x1024'] }),
    quality: z.string().optional().meta({ description: 'Absent where it was left to the model.' }),
    background: z.string().optional().meta({ description: 'Absent where it was left to the model.' }),
    output_format: z.string().meta({ examples: ['png'] }),
    safety_identifier: z.string().optional(),
    usage,
  })
  .meta({ id: 'OpenAiPictures', description: 'The pictures, as the images API of OpenAI answers.' });

/** The answer without the pictures' contents. */
export type PicturesHead = Omit<z.output<typeof openAiPictures>, 'data'>;

/** What the answer says of its pictures together. All are of one call, so one request stands for all. */
export function toPicturesHead(made: readonly [Image, ...Image[]], all: readonly Image[] = made): PicturesHead {
  const { request, master } = made[0];
  const { quality, background, options } = request;
  const times = made.map(({ createdAt, completedAt }) => Date.parse(completedAt ?? createdAt));
  return {
    created: Math.floor(Math.max(...times) / 1000),
    size: formatSize(master ?? request.size),
    ...(quality !== 'auto' && { quality: shownQuality(quality) }),
    ...(background !== 'auto' && { background }),
    output_format: master?.format ?? request.format,
    ...(options?.safetyIdentifier !== undefined && { safety_identifier: options.safetyIdentifier }),
    usage: toUsage(all),
  };
}

/** The published names: those of DALL-E's qualities are of the past. */
function shownQuality(quality: Quality): string {
  if (quality === 'standard') return 'medium';
  return quality === 'hd' ? 'high' : quality;
}

/** The tokens of all calls of the images together, as far as they were reported. */
export function toUsage(images: readonly Image[]): z.output<typeof usage> {
  const reported = images.flatMap(({ attempts }) => attempts.flatMap(({ usage }) => usage ?? []));
  const sum = (part: (usage: TokenUsage) => number) => reported.reduce((total, usage) => total + part(usage), 0);
  const text = sum(({ textInput }) => textInput);
  const image = sum(({ imageInput }) => imageInput);
  const cached = sum(({ cachedInput }) => cachedInput);
  const output = sum((usage) => usage.output);
  return {
    input_tokens: text + image,
    input_tokens_details: {
      text_tokens: text,
      image_tokens: image,
      ...(cached > 0 && { cached_tokens: cached }),
    },
    output_tokens: output,
    total_tokens: text + image + output,
  };
}

/** What the images cost together, in US dollars; null where that is not known. */
export function costOf(images: readonly Image[]): number | null {
  return images.map((image) => image.cost).reduce(addCosts, ZERO_COST).usd;
}

const eventFields = {
  b64_json: z.string(),
  created_at: z.int().meta({ description: 'Seconds since 1970.' }),
  size: z.string(),
  quality: z.string(),
  background: z.string(),
  output_format: z.string(),
};

/** One event of a stream. */
export const openAiStreamEvent = z
  .union([
    z.strictObject({
      type: z.enum(['image_generation.partial_image', 'image_edit.partial_image']),
      ...eventFields,
      partial_image_index: z.int(),
    }),
    z.strictObject({ type: z.enum(['image_generation.completed', 'image_edit.completed']), ...eventFields, usage }),
    z.strictObject({ type: z.literal('error'), error: z.looseObject({ message: z.string() }) }),
  ])
  .meta({ id: 'OpenAiStreamEvent' });

/** What every event of a picture's stream says beside its type and the picture itself. `now` is in milliseconds since 1970. */
export function toEventFields({ request, master }: Image, now: number) {
  return {
    created_at: Math.floor(now / 1000),
    size: formatSize(master ?? request.size),
    quality: shownQuality(request.quality),
    background: request.background,
    output_format: master?.format ?? request.format,
  };
}

const model = z
  .strictObject({
    id: z.string(),
    object: z.literal('model'),
    created: z.int().meta({ description: 'Not known here: 0.' }),
    owned_by: z.string().meta({ description: 'The provider that serves it.' }),
    shutdown_date: z.string().nullable().meta({ format: 'date' }),
  })
  .meta({ id: 'OpenAiModel' });

/** Answer of `GET /v1/models/:id`. */
export const openAiModel = model;

/** Answer of `GET /v1/models`. */
export const openAiModels = z
  .strictObject({ object: z.literal('list'), data: z.array(model) })
  .meta({ id: 'OpenAiModels' });

/** The models that are not shut down at `now` (milliseconds since 1970), each once, of the first provider that offers it. */
export function toOpenAiModels(offered: readonly OfferedModel[], now: number): z.output<typeof openAiModels> {
  const served = offered.filter(
    ({ model: { shutdownDate } }) => shutdownDate === null || !isShutDown(shutdownDate, now),
  );
  const first = new Map(served.toReversed().map((one) => [one.model.id, one]));
  const ids = new Set(served.map((one) => one.model.id));
  return { object: 'list', data: [...ids].flatMap((id) => toModel(first.get(id))) };
}

function toModel(offered: OfferedModel | undefined): z.output<typeof model>[] {
  if (offered === undefined) return [];
  const { id, shutdownDate } = offered.model;
  return [{ id, object: 'model', created: 0, owned_by: offered.provider, shutdown_date: shutdownDate }];
}
