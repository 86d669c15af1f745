import { z } from 'zod';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES } from '../core/domain/formats.ts';
import type { Brief, BriefPart, CreateImage } from '../core/domain/request.ts';
import { renditionText, SIDE_LIMITS, sizeText } from '../core/planning/notation.ts';
import { areDistinct, mediaId, name, nonBlankText, part, parts, text } from './fields.ts';

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

/** The parts that say something, trimmed of those that do not. */
function withoutBlankParts(parts: { readonly [part in keyof Brief]?: Brief[part] | undefined }): Brief {
  const kept = Object.entries(parts)
    .map(([key, value]) => [key, Array.isArray(value) ? value.filter((item) => item.trim() !== '') : value] as const)
    .filter(([, value]) => (typeof value === 'string' ? value.trim() !== '' : value !== undefined && value.length > 0));
  return Object.fromEntries(kept);
}

/** Body of `POST /images`. */
export const createImage = z
  .strictObject({
    mediaId: mediaId.optional(),
    prompt: nonBlankText.optional().meta({
      description: 'What to show, in one text. Give this or `brief`. How long it may be depends on the model.',
      examples: ['a lighthouse at dusk, gouache'],
    }),
    brief: brief.optional(),
    preset: name.optional().meta({
      description: 'A named set of defaults for a kind of picture.',
      examples: ['article-hero', 'social-card', 'product', 'icon'],
    }),
    model: name.optional().meta({ description: 'Default: `IMAGE_MODEL`.', examples: ['gpt-image-2'] }),
    provider: name.optional().meta({
      description: 'Only this provider. Default: the configured order, the next one when one is down.',
      examples: ['openai'],
    }),
    size: sizeText.optional().meta({
      description: `Exactly what comes back as the master, ${SIDE_LIMITS.min} to ${SIDE_LIMITS.max} pixels a side. Default: \`IMAGE_SIZE\`.`,
      examples: ['1792x1024'],
    }),
    quality: z
      .enum(QUALITIES)
      .optional()
      .meta({
        description: 'Which of these there are depends on the model. Default: `IMAGE_QUALITY`.',
        examples: ['high'],
      }),
    style: nonBlankText.optional().meta({
      description: 'Sent as a parameter where the model has one, else written into the prompt.',
      examples: ['vivid'],
    }),
    background: z
      .enum(BACKGROUNDS)
      .optional()
      .meta({ examples: ['auto'] }),
    format: z
      .enum(MASTER_FORMATS)
      .optional()
      .meta({ description: 'Of the master. Default: png.', examples: ['png'] }),
    renditions: z
      .array(renditionText)
      .max(8)
      .refine(areDistinct, 'must not name the same rendition twice')
      .optional()
      .meta({
        description:
          'Derived files, `WIDTHxHEIGHT.FORMAT`, at most 8, none for an empty list. Default: `IMAGE_RENDITIONS`.',
        examples: [['1200x675.png', '600x338.webp']],
      }),
    metadata: z
      .record(text.min(1).max(128), text.max(2048))
      .refine((pairs) => Object.keys(pairs).length <= 16, 'must have at most 16 pairs')
      .optional()
      .meta({ description: 'Up to 16 pairs of strings, given back as they came.', examples: [{ articleId: '42' }] }),
    labels: z
      .array(nonBlankText.max(64))
      .max(16)
      .refine(areDistinct, 'must not name the same label twice')
      .optional()
      .meta({ description: 'Up to 16, to find the picture again in the list.', examples: [['blog']] }),
    ttlSeconds: z
      .int()
      .positive()
      .max(315_360_000)
      .optional()
      .meta({
        description: 'The picture is deleted this long after it was made, in place of `RETENTION`. At most ten years.',
        examples: [2_592_000],
      }),
    webhookUrl: text
      .max(2048)
      .pipe(z.url({ protocol: /^https?$/, error: 'must be an http or https URL, such as https://example.com/hook' }))
      .optional()
      .meta({ description: 'Told when the picture has ended.', examples: ['https://example.com/hooks/easel'] }),
  } satisfies Record<keyof CreateImage, z.ZodType>)
  .superRefine(({ prompt, brief }, context) => {
    if (prompt === undefined && brief === undefined) {
      context.addIssue({ code: 'custom', path: ['prompt'], message: 'is missing; give `prompt` or `brief`' });
    }
    if (prompt !== undefined && brief !== undefined) {
      context.addIssue({ code: 'custom', path: ['brief'], message: 'must not come with `prompt`; give one of them' });
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
  }) satisfies z.ZodType<CreateImage>;

/** Headers of `POST /images`; the others pass through. */
export const createImageHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .meta({
      description: 'Makes a repeated call safe for callers without a `mediaId`: the same key and body pay once.',
      examples: ['0b9f6c1e-7c1e-4f0e-9a55-0d2f8a9d4d1b'],
    }),
  prefer: z
    .string()
    .optional()
    .meta({
      description: '`respond-async`: answer 202 at once. `wait=N`: wait up to N seconds. See RFC 7240.',
      examples: ['respond-async', 'wait=10'],
    }),
});
