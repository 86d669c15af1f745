/**
 * Requests of the OpenAI dialect: bodies and headers. The parameters are those of the published description and of the types of the
 * `openai` package 7.57.0 (resources/images).
 */

import { z } from 'zod';
import { BACKGROUNDS, MASTER_FORMATS } from '../../core/domain/formats.ts';
import { sizeText } from '../../core/planning/notation.ts';
import { createImage, createImageHeaders } from '../create-image.ts';
import { text } from '../fields.ts';

/** Most pictures of one call. */
const MAX_PICTURES = 10;

const QUALITIES = ['auto', 'low', 'medium', 'high', 'xhigh', 'max', 'standard', 'hd'] as const;

/** How a picture stands in an answer: as base64 or as the URL of the stored file. */
export const RESPONSE_FORMATS = ['b64_json', 'url'] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

/** Whole numbers that come as text in a form. */
const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

/** Text of a parameter, with plain words for what is missing: OpenAI's errors are one sentence. */
const words = text.refine((value) => value.trim() !== '', 'must not be blank');

/** One of some names. */
const oneOf = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names, { error: `must be one of ${names.join(', ')}` });

const shared = {
  prompt: z
    .string({ error: ({ input }) => (input == null ? 'is missing' : 'must be text') })
    .pipe(words)
    .meta({ description: 'What to show.', examples: ['a lighthouse at dusk, gouache'] }),
  model: words
    .max(200)
    .nullish()
    .meta({ description: 'Default: `IMAGE_MODEL`.', examples: ['gpt-image-2'] }),
  n: wholeNumber(1, MAX_PICTURES)
    .nullish()
    .meta({ description: 'How many pictures. Default: 1.', examples: [1] }),
  size: z
    .union([z.literal('auto'), sizeText], {
      error: 'must be auto, or WIDTHxHEIGHT in pixels such as 1536x1024, 16 to 4096 a side',
    })
    .nullish()
    .meta({
      description:
        'Exactly what comes back. `auto`, which is the default, is the size nearest to `IMAGE_SIZE` that the model makes, uncropped.',
      examples: ['1536x1024'],
    }),
  quality: oneOf(QUALITIES)
    .nullish()
    .meta({ description: '`standard` is medium, `hd` is high.', examples: ['high'] }),
  background: oneOf(BACKGROUNDS).nullish(),
  moderation: oneOf(['auto', 'low']).nullish().meta({ description: 'Sent where the model takes it.' }),
  output_format: z
    .enum(MASTER_FORMATS, {
      error: `must be ${MASTER_FORMATS.join(', ')}: animations and vector graphics are not made here`,
    })
    .nullish(),
  output_compression: wholeNumber(0, 100).nullish().meta({ description: 'For jpeg and webp.' }),
  response_format: oneOf(RESPONSE_FORMATS).nullish().meta({
    description:
      '`url`, for every model, is the lasting URL of the stored picture. Default: `b64_json`, and `url` for models of the name dall-e.',
  }),
  stream: z
    .boolean({ error: 'must be true or false' })
    .nullish()
    .meta({ description: 'Answers with Server-Sent Events; for one picture only.' }),
  partial_images: wholeNumber(0, 3).nullish().meta({ description: 'Partial pictures to stream; each is billed.' }),
  style: words
    .nullish()
    .meta({ description: 'Sent as a parameter where the model has one, else written into the prompt.' }),
  safety_identifier: text.max(512).nullish().meta({ description: 'Names the end user to the provider, as a hash.' }),
  user: text.max(512).nullish().meta({ description: 'The older name of `safety_identifier`.' }),
  webhook_url: createImage.shape.webhookUrl,
};

/** Names of the parameters of generations. */
const generation = z.looseObject(shared);

const notSeveralInOneStream = ({ stream, n }: { stream?: boolean | null | undefined; n?: number | null | undefined }) =>
  !(stream === true && (n ?? 1) > 1);
const STREAM_OF_ONE = { path: ['n'], message: 'must be 1 where `stream` is true' };

/** Body of `POST /v1/images/generations`. */
export const openAiGeneration = generation.refine(notSeveralInOneStream, STREAM_OF_ONE).meta({
  id: 'OpenAiGeneration',
  description: 'As the images API of OpenAI takes it. Parameters that are not named here are ignored, with a warning.',
  examples: [{ prompt: 'a lighthouse at dusk, gouache', size: '1536x1024' }],
});

const reference = z
  .looseObject(
    { image_url: text.min(1).nullish(), file_id: z.string().nullish() },
    { error: 'must be an object such as {"image_url": "https://…"}' },
  )
  .superRefine(({ image_url, file_id }, context) => {
    if (file_id != null) {
      context.addIssue({
        code: 'custom',
        path: ['file_id'],
        message: 'is not kept here; send the picture as image_url',
      });
    } else if (image_url == null) {
      context.addIssue({ code: 'custom', path: ['image_url'], message: 'is missing' });
    }
  })
  .meta({ id: 'OpenAiImageReference', description: '`image_url`: a public address, or a data URL.' });

const edit = z.looseObject({
  ...shared,
  input_fidelity: oneOf(['low', 'high']).nullish().meta({ description: 'Sent where the model takes it.' }),
  images: z.array(reference).nullish().meta({ description: 'The pictures to start from, in JSON.' }),
  mask: reference.nullish().meta({ description: 'For the first picture; its transparent parts are painted anew.' }),
});

/** Body of `POST /v1/images/edits` in JSON; a form has the same fields, with files as `image` and `mask`. */
export const openAiEdit = edit.refine(notSeveralInOneStream, STREAM_OF_ONE).meta({
  id: 'OpenAiEdit',
  description:
    'As the images API of OpenAI takes it, in JSON, or as `multipart/form-data` with the pictures as files: `image` (`image[]`, ' +
    '`image[0]`, or repeated) and `mask`. Parameters that are not named here are ignored, with a warning.',
  examples: [{ prompt: 'the same at night', images: [{ image_url: 'https://example.com/lighthouse.png' }] }],
});

export type OpenAiGeneration = z.output<typeof openAiGeneration>;
export type OpenAiEdit = z.output<typeof openAiEdit>;

/** The parameters of a route by name: any other is unknown. */
export const GENERATION_PARAMETERS: ReadonlySet<string> = new Set(Object.keys(generation.shape));
export const EDIT_PARAMETERS: ReadonlySet<string> = new Set(Object.keys(edit.shape));

/** Parameters that a form has as text, and a JSON body as numbers and booleans. */
export const NUMBERS: ReadonlySet<string> = new Set(['n', 'output_compression', 'partial_images']);
export const BOOLEANS: ReadonlySet<string> = new Set(['stream']);

/** Headers of the calls. Headers that are not named here pass unchecked. */
export const openAiHeaders = createImageHeaders.extend({
  'x-stainless-retry-count': z
    .string()
    .optional()
    .meta({ description: 'How often the client has sent the call before; the official SDKs send it.' }),
  'x-easel-cancel-on-close': z.string().optional().meta({
    description: '`true`: the pictures are cancelled when the last client that waits for them closes its connection.',
  }),
});
