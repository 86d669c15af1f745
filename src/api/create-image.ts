/** Requests for images: the body and headers of `POST /images`, changes of them, and what a request would do. */

import { z } from 'zod';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES } from '../core/domain/formats.ts';
import { HIDDEN } from '../core/domain/record.ts';
import type { Brief, BriefPart, ChangeableFields, CreateImage, ImagePatch } from '../core/domain/request.ts';
import type { Preview } from '../core/images/preview.ts';
import { renditionText, SIDE_LIMITS, sizeText } from '../core/planning/notation.ts';
import { nonBlankText, text } from './fields.ts';
import { cost } from './image-record.ts';
import { type NamedInput, namedInput } from './inputs.ts';

/** A short name from a list that the service knows, such as a model. */
const name = nonBlankText.max(200);

const MEDIA_ID = /^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9_-])?$/;

const mediaId = z
  .string()
  .regex(
    MEDIA_ID,
    'must be 1 to 128 of a-z, 0-9, ".", "_" and "-", begin with a letter or digit, not hold ".." and not end in "."',
  )
  .meta({
    description:
      'Names the picture: its record, its file and its URL. A second POST with the same `mediaId` and the same request ' +
      'pays nothing and gives the picture that is there. Left out, one is made (UUIDv7).',
    examples: ['article-42-hero'],
  });

/** An optional part of the brief. `withoutBlankParts` removes a blank one. */
const part = (description: string, example: string) => text.optional().meta({ description, examples: [example] });

/** The same for a part that is a list. */
const parts = (description: string, example: string[]) =>
  z
    .array(text)
    .optional()
    .meta({ description, examples: [example] });

const brief = z
  .strictObject({
    subject: part('What is in the picture.', 'a lighthouse on a cliff'),
    style: part('How it is made.', 'gouache illustration'),
    mood: part('How it feels.', 'calm, hopeful'),
    palette: parts('Colours, by name or code.', ['deep teal', '#f2b705']),
    composition: part('Where things are.', 'subject on the left third, sky to the right'),
    lighting: part('Where the light comes from.', 'low sun from the right'),
    avoid: parts('What must not be seen.', ['people', 'logos']),
    text: part('Words that must stand in the picture, letter by letter.', 'OPEN DAY'),
  } satisfies Record<BriefPart, z.ZodType>)
  .transform(withoutBlankParts)
  .refine((value) => Object.keys(value).length > 0, 'must say something in at least one part, such as `subject`')
  .meta({ id: 'Brief', description: 'What to show, in parts. Blank parts count as left out.' });

/** Removes blank parts, and blank items of parts that are lists. */
function withoutBlankParts(parts: { readonly [part in keyof Brief]?: Brief[part] | undefined }): Brief {
  const kept = Object.entries(parts)
    .map(([key, value]) => [key, Array.isArray(value) ? value.filter((item) => item.trim() !== '') : value] as const)
    .filter(([, value]) => (typeof value === 'string' ? value.trim() !== '' : value !== undefined && value.length > 0));
  return Object.fromEntries(kept);
}

/** True for a webhook's URL as a record shows it, also as a client writes it that has parsed it. */
function isShortened(url: string): boolean {
  return [HIDDEN, encodeURIComponent(HIDDEN)].some((hidden) => url.toUpperCase().endsWith(`/${hidden}`));
}

/** True when no two values are equal as JSON. */
function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size === values.length;
}

/** A valid body: a request whose files are still named by their parts. */
export type CreateImageBody = Omit<CreateImage, 'inputs' | 'mask'> & {
  readonly inputs?: readonly NamedInput[] | null | undefined;
  readonly mask?: NamedInput | null | undefined;
};

/** Most pictures that a request may bring. Models take fewer: which, `GET /models` says. */
const MAX_INPUTS = 64;

/** Body of `POST /images` and of `POST /images/preview`. Null counts as left out, as in the `request` of a record. */
export const createImage = z
  .strictObject({
    mediaId: mediaId.nullish(),
    prompt: nonBlankText.nullish().meta({
      description: 'What to show, in one text. Give this or `brief`. How long it may be depends on the model.',
      examples: ['a lighthouse at dusk, gouache'],
    }),
    brief: brief.nullish(),
    preset: name.nullish().meta({
      description: 'A named set of defaults for a kind of picture.',
      examples: ['article-hero', 'social-card', 'product', 'icon'],
    }),
    model: name.nullish().meta({ description: 'Default: `IMAGE_MODEL`.', examples: ['gpt-image-2'] }),
    provider: name.nullish().meta({
      description: 'Only this provider. Default: the configured order, the next one when one is down.',
      examples: ['openai'],
    }),
    size: sizeText.nullish().meta({
      description:
        `Exactly what comes back as the master, ${SIDE_LIMITS.min} to ${SIDE_LIMITS.max} pixels a side. Default: ` +
        `\`IMAGE_SIZE\`.`,
      examples: ['1792x1024'],
    }),
    quality: z
      .enum(QUALITIES)
      .nullish()
      .meta({
        description: 'Which of these there are depends on the model. Default: `IMAGE_QUALITY`.',
        examples: ['high'],
      }),
    style: nonBlankText.nullish().meta({
      description: 'Sent as a parameter where the model has one, else written into the prompt.',
      examples: ['vivid'],
    }),
    background: z
      .enum(BACKGROUNDS)
      .nullish()
      .meta({ examples: ['auto'] }),
    format: z
      .enum(MASTER_FORMATS)
      .nullish()
      .meta({ description: 'Of the master. Default: png.', examples: ['png'] }),
    renditions: z
      .array(renditionText)
      .max(8)
      .refine(areDistinct, 'must not name the same rendition twice')
      .nullish()
      .meta({
        description:
          'Derived files, `WIDTHxHEIGHT.FORMAT`, at most 8, none for an empty list. Default: those of the preset, else ' +
          'those of `IMAGE_RENDITIONS` that have the shape of `size`, within 5%.',
        examples: [['1200x675.png', '600x338.webp']],
      }),
    inputs: z
      .array(namedInput)
      .max(MAX_INPUTS, `must name at most ${MAX_INPUTS} pictures; models take fewer`)
      .nullish()
      .meta({
        description: 'Pictures to start from, in order. How many, how large and of which formats depends on the model.',
        examples: [[{ mediaId: 'brand-hero' }]],
      }),
    mask: namedInput.nullish().meta({
      description: 'For the first input, of its size, with alpha: what is transparent in it is painted anew.',
    }),
    partials: z
      .int()
      .min(0)
      .max(3)
      .nullish()
      .meta({
        description:
          'Pictures to stream while the picture is made, 0 to 3, whether or not anyone listens; each is billed. Default: 0. It does ' +
          'not make the picture another one.',
        examples: [2],
      }),
    metadata: z
      .record(text.min(1).max(128), text.max(2048))
      .refine((pairs) => Object.keys(pairs).length <= 16, 'must have at most 16 pairs')
      .nullish()
      .meta({ description: 'Up to 16 pairs of strings, given back as they came.', examples: [{ articleId: '42' }] }),
    labels: z
      .array(nonBlankText.max(64))
      .max(16)
      .refine(areDistinct, 'must not name the same label twice')
      .nullish()
      .meta({ description: 'Up to 16, to find the picture again in the list.', examples: [['blog']] }),
    ttlSeconds: z
      .int()
      .positive()
      .max(315_360_000)
      .nullish()
      .meta({
        description: 'The picture is deleted this long after it was made, in place of `RETENTION`. At most ten years.',
        examples: [2_592_000],
      }),
    webhookUrl: text
      .max(2048)
      .refine((url) => !isShortened(url), 'is what a record shows of it; send the whole URL, or leave it out')
      .pipe(z.url({ protocol: /^https?$/, error: 'must be an http or https URL, such as https://example.com/hook' }))
      .nullish()
      .meta({
        description:
          'Called when the picture has ended. A user and a password in it are sent as Basic. A record shows only scheme and host.',
        examples: ['https://example.com/hooks/easel'],
      }),
  } satisfies Record<Exclude<keyof CreateImage, 'options' | 'takesAnyShape'>, z.ZodType>)
  .superRefine(({ prompt, brief, inputs, mask }, context) => {
    if (prompt == null && brief == null) {
      context.addIssue({ code: 'custom', path: ['prompt'], message: 'is missing; give `prompt` or `brief`' });
    }
    if (prompt != null && brief != null) {
      context.addIssue({ code: 'custom', path: ['brief'], message: 'must not come with `prompt`; give one of them' });
    }
    if (mask != null && (inputs ?? []).length === 0) {
      const message = 'must come with `inputs`: it is for the first of them';
      context.addIssue({ code: 'custom', path: ['mask'], message });
    }
  })
  .meta({
    id: 'CreateImage',
    description: 'A picture to make: `prompt` or `brief`, and what differs from the defaults.',
    examples: [
      { prompt: 'a lighthouse at dusk, gouache' },
      {
        mediaId: 'article-42-hero',
        brief: { subject: 'a lighthouse on a cliff', mood: 'calm, hopeful', avoid: ['people'] },
        preset: 'article-hero',
        size: '1792x1024',
        renditions: ['1200x675.png', '600x338.webp'],
        metadata: { articleId: '42' },
      },
    ],
  }) satisfies z.ZodType<CreateImageBody>;

const { labels, metadata, ttlSeconds, webhookUrl } = createImage.shape;

/** Body of `PATCH /images/:mediaId`: the fields by the rules of `POST /images`. */
export const patchImage = z
  .strictObject({
    ...({ labels, metadata, ttlSeconds, webhookUrl } satisfies Record<keyof ChangeableFields, z.ZodType>),
    pinned: z.boolean().nullish().meta({
      description:
        'Whether no cleanup removes the picture, only DELETE. `false` and null take the label `pinned` away, too.',
    }),
  })
  .meta({
    id: 'PatchImage',
    description:
      'What does not make another picture. A field that is given replaces what there was, null clears it, and one that is left ' +
      'out stays; without any, nothing changes. `ttlSeconds` counts from now.',
    examples: [{ labels: ['blog'], ttlSeconds: null, pinned: true }],
  }) satisfies z.ZodType<ImagePatch>;

/** Headers of `PATCH /images/:mediaId`. Headers that are not named here pass unchecked. */
export const patchHeaders = z.looseObject({
  'if-match': z.string().optional().meta({
    description: '`ETag` of the record that the change was made from; `*`, or a list, works as in RFC 9110.',
  }),
});

const prefer = z.string().optional().meta({
  // No examples here and below: Swagger UI fills them in, and the second try would be answered by the first one's key.
  description: '`respond-async`: answer 202 at once. `wait=10`: wait up to 10 seconds. See RFC 7240.',
});

/** Headers of `POST /images`. Headers that are not named here pass unchecked. */
export const createImageHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .meta({
      description:
        'Makes a repeated call safe for callers without a `mediaId`: the same key and body pay once. A UUID will do.',
    }),
  prefer,
});

/** Headers of `POST /images/:mediaId/retry`. Headers that are not named here pass unchecked. */
export const retryHeaders = z.looseObject({ prefer });

/** Body of `POST /images/:mediaId/retry`: absent or empty. */
export const retryBody = z.strictObject({}).optional();

/** Answer of `POST /images/preview`. */
export const requestPreview = z
  .strictObject({
    prompt: z.string().meta({ description: 'The final prompt.' }),
    requestedSize: z.string().meta({ description: 'What the model is asked for.', examples: ['1792x1024'] }),
    crop: z
      .strictObject({ left: z.int(), top: z.int(), width: z.int(), height: z.int() })
      .meta({ description: 'The part of the requested size that becomes the master, in pixels.' }),
    parametersDropped: z.array(z.string()).meta({
      description: 'What the model has no parameter for; where words can say it, the prompt does.',
      examples: [['style']],
    }),
    cost: cost.meta({ description: 'Of one call.' }),
    providers: z.array(z.string()).meta({ description: 'Those that can make it, in the order they are asked.' }),
  })
  .meta({ id: 'Preview' });

/** Makes the answer of a preview. */
export function toRequestPreview(preview: Preview): z.output<typeof requestPreview> {
  const { prompt, requestedSize, crop, parametersDropped, cost, providers } = preview;
  const { left, top, width, height } = crop;
  return {
    prompt,
    requestedSize,
    crop: { left, top, width, height },
    parametersDropped: [...parametersDropped],
    cost: { usd: cost.usd, basis: cost.basis },
    providers: [...providers],
  };
}
