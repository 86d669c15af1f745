/**
 * What goes over the wire, once: these schemas check requests, write responses and become the OpenAPI document.
 * Requests come out as the types of `images/`; responses accept exactly what `images/` gives.
 */

import { z } from 'zod';
import { CHECK_NAMES } from '../core/domain/checks.ts';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES, RENDITION_FORMATS } from '../core/domain/formats.ts';
import { IMAGE_STATUSES } from '../core/domain/image.ts';
import type { ImageRecord } from '../core/domain/record.ts';
import type { Brief, CreateImage } from '../core/domain/request.ts';
import { ageText, renditionText, SIDE, sizeText } from '../core/planning/notation.ts';
import type { CleanupReport, LastCleanup } from '../core/ports/record-store.ts';

// ------------------------------------------------------------ the parts

const MEDIA_ID = /^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9_-])?$/;

/** Text that every store and every model can take: a NUL or half a surrogate pair breaks some of them. */
const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be valid Unicode without NUL characters');

/** Text that says something. */
const words = text.refine((value) => value.trim() !== '', 'must not be blank; leave it out or say something');

/** A short name out of a list that the service knows, such as a model. */
const name = words.max(200);

/** A part of the brief; blank counts as left out. */
const part = (description: string, example: string) => text.optional().meta({ description, examples: [example] });
const parts = (description: string, example: string[]) =>
  z
    .array(text)
    .optional()
    .meta({ description, examples: [example] });

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

/** Whether no two are the same. */
function distinct(values: readonly unknown[]): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size === values.length;
}

// ------------------------------------------------------- POST /images

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
  })
  .transform(said)
  .refine((value) => Object.keys(value).length > 0, 'must say something in at least one part, such as `subject`')
  .meta({ id: 'Brief', description: 'What to show, in parts. Blank parts count as left out.' });

/** The parts that say something, trimmed of those that do not. */
function said(parts: { readonly [part in keyof Brief]?: Brief[part] | undefined }): Brief {
  const kept = Object.entries(parts)
    .map(([key, value]) => [key, Array.isArray(value) ? value.filter((item) => item.trim() !== '') : value] as const)
    .filter(([, value]) => (typeof value === 'string' ? value.trim() !== '' : value !== undefined && value.length > 0));
  return Object.fromEntries(kept);
}

/** Body of `POST /images`. */
export const createImage = z
  .strictObject({
    mediaId: mediaId.optional(),
    prompt: words.optional().meta({
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
      description: `Exactly what comes back as the master, ${SIDE.min} to ${SIDE.max} pixels a side. Default: \`IMAGE_SIZE\`.`,
      examples: ['1792x1024'],
    }),
    quality: z
      .enum(QUALITIES)
      .optional()
      .meta({
        description: 'Which of these there are depends on the model. Default: `IMAGE_QUALITY`.',
        examples: ['high'],
      }),
    style: words.optional().meta({
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
      .refine(distinct, 'must not name the same rendition twice')
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
      .array(words.max(64))
      .max(16)
      .refine(distinct, 'must not name the same label twice')
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
  })
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

// ------------------------------------------------------------- records

/** A time as it stands in records. */
export const timestamp = (description: string) =>
  z.string().meta({ format: 'date-time', description, examples: ['2026-11-23T16:02:30.000Z'] });

const fileUrl = z.string().meta({ description: 'Where it is served.', examples: ['/media/article-42-hero.png'] });
const versionedUrl = z.string().meta({
  description: 'The same with the first 12 digits of the sha256: may be cached for ever.',
  examples: ['/media/article-42-hero.png?v=3f1c9a0b77de'],
});
const filePath = z.string().meta({ description: 'Where it is kept.', examples: ['media/article-42-hero.png'] });
const sha256 = z.string().meta({ description: 'Of the file, in hex.' });

const renditionRecord = z
  .strictObject({
    url: fileUrl,
    versionedUrl,
    path: filePath,
    width: z.int(),
    height: z.int(),
    format: z.enum(RENDITION_FORMATS),
    bytes: z.int(),
    sha256,
  })
  .meta({ id: 'Rendition', description: 'A derived file.' });

/** The calls that were made for one image. */
export const attempts = z.array(
  z.strictObject({
    provider: z.string(),
    startedAt: timestamp('When the call was sent.'),
    durationMs: z.number().nullable().meta({ description: 'Null while it runs, or if the process died during it.' }),
    outcome: z
      .enum(['ok', 'failed', 'unknown', 'cancelled'])
      .meta({ description: '`failed` is known not to be billed, `unknown` may be.' }),
    httpStatus: z.int().nullable(),
    providerRequestId: z.string().nullable(),
  }),
);
/** What calls cost. */
export const cost = z.strictObject({
  usd: z.number().nullable().meta({ description: 'US dollars; null where unknown.' }),
  basis: z.enum(['usage', 'estimate', 'unknown']).meta({
    description:
      "`usage`: by the provider's own count. `estimate`: by the catalog, in whole or in part; a call whose outcome is unknown counts in full.",
  }),
});

const pendingRendition = z
  .strictObject({
    url: fileUrl.meta({ description: 'Where it will be served.', examples: ['/media/article-42-hero@1200x675.avif'] }),
    status: z.literal('pending'),
  })
  .meta({
    id: 'PendingRendition',
    description: 'A derived file of a slow format, which is made after the master; ask for the record again.',
  });

/** The record, exactly as `toRecord` gives it. */
export const imageRecord = z
  .strictObject({
    mediaId: z.string().meta({ examples: ['article-42-hero'] }),
    status: z.enum(IMAGE_STATUSES).meta({ description: 'The first three move on by themselves, the others are ends.' }),
    url: fileUrl.nullable(),
    versionedUrl: versionedUrl.nullable(),
    path: filePath.nullable(),
    width: z.int(),
    height: z.int(),
    format: z.enum(MASTER_FORMATS),
    bytes: z.int().nullable(),
    sha256: sha256.nullable(),
    thumbhash: z.string().nullable().meta({ description: 'A blurred stand-in of some 30 bytes, base64.' }),
    renditions: z.array(z.union([renditionRecord, pendingRendition])),
    prompt: z.string().meta({ description: 'The final prompt.' }),
    revisedPrompt: z.string().nullable().meta({ description: 'What the provider made of it, where it says so.' }),
    preset: z
      .string()
      .nullable()
      .meta({ examples: ['article-hero@1'] }),
    provider: z.string(),
    model: z.string(),
    requestedSize: z.string().meta({ description: 'What the model was asked for.', examples: ['1792x1024'] }),
    checks: z.array(
      z.strictObject({
        name: z.enum(CHECK_NAMES),
        value: z.number(),
        threshold: z.number().meta({ description: 'The least value that is ok.' }),
        verdict: z.enum(['ok', 'warn', 'reject']),
      }),
    ),
    attempts,
    cost,
    warnings: z.array(z.strictObject({ code: z.string(), detail: z.string() })),
    metadata: z.record(z.string(), z.string()),
    labels: z.array(z.string()),
    createdAt: timestamp('When the request was accepted.'),
    completedAt: timestamp('When the picture ended, well or not.').nullable(),
    expiresAt: timestamp('When it will be deleted.').nullable(),
    error: z.strictObject({ code: z.string(), detail: z.string() }).nullable(),
  })
  .meta({ id: 'ImageRecord', description: 'All that is known about one picture.' }) satisfies z.ZodType<ImageRecord>;

/** What can be shown of a picture before it is loaded. */
export const imagePreview = z
  .strictObject({
    thumbhash: z
      .string()
      .meta({ description: 'As in the record, base64.', examples: ['1QcSHQRnh493V4dIh4eXh1h4kJUI'] }),
    dataUrl: z.string().meta({
      description: 'The thumbhash as a picture of up to 32 pixels a side, to be put into a page as it is.',
      examples: ['data:image/png;base64,iVBORw0KGgo…'],
    }),
    dominantColour: z.string().meta({ description: '`#rrggbb`.', examples: ['#2a4d69'] }),
  })
  .meta({ id: 'ImagePreview' });

/** Path of one image. Any text will do: what cannot be a mediaId is simply not found. */
export const imageParams = z.object({ mediaId: z.string().meta({ examples: ['article-42-hero'] }) });

// ---------------------------------------------------------------- list

/** A day or a moment, as the millisecond that it begins with. In a query, the + of an offset has to be written %2B. */
const moment = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error:
      'must be an ISO 8601 day or time with its zone, such as 2026-11-23 or 2026-11-23T16:00:00Z (a + is sent as %2B)',
  })
  .transform((value) => new Date(value).toISOString());

/** Query of `GET /images`. */
export const listQuery = z.strictObject({
  status: z.enum(IMAGE_STATUSES).optional().meta({ description: 'Only these.' }),
  label: words
    .max(64)
    .optional()
    .meta({ description: 'Only those with this label.', examples: ['blog'] }),
  createdAfter: moment.optional().meta({
    description: 'Only those created at this time or later; a day begins at 00:00 UTC.',
    examples: ['2026-11-23'],
  }),
  createdBefore: moment
    .optional()
    .meta({ description: 'Only those created before this time.', examples: ['2026-11-23T16:00:00Z'] }),
  limit: z.coerce.number().int().min(1).max(100).default(20).meta({ description: 'Most to give, 1 to 100.' }),
  cursor: words.max(1024).optional().meta({ description: '`nextCursor` of the page before.' }),
});

export const imageList = z
  .strictObject({
    items: z.array(imageRecord).meta({ description: 'Newest first.' }),
    nextCursor: z.string().nullable().meta({ description: 'Asks for the page after this; null on the last.' }),
  })
  .meta({ id: 'ImageList' });

// ------------------------------------------------------------- cleanup

/** Body of `POST /cleanup`, which may be left out. */
export const cleanupOrder = z
  .strictObject({
    olderThan: ageText.optional().meta({
      description: 'Delete what is older. Default: `RETENTION`. What has reached its `expiresAt` goes in any case.',
      examples: ['30d', '12h'],
    }),
    maxBytes: z
      .int()
      .nonnegative()
      .optional()
      .meta({
        description: 'Then delete the oldest until all files take no more than this. Default: `MEDIA_MAX_BYTES`.',
        examples: [10_000_000_000],
      }),
    status: z
      .enum(['succeeded', 'failed', 'cancelled'])
      .optional()
      .meta({ description: 'Only these. Unfinished pictures are never cleaned up.' }),
    dryRun: z.boolean().optional().meta({ description: 'Only say what would go.' }),
  })
  .optional()
  .transform(({ olderThan, ...order } = {}) => ({ ...order, olderThanMs: olderThan }))
  .meta({ id: 'CleanupOrder', examples: [{ olderThan: '30d', dryRun: true }] });

export const cleanupReport = z
  .strictObject({
    deleted: z.int().meta({ description: 'Pictures deleted, or to be deleted in a dry run.' }),
    freedBytes: z.int(),
    kept: z.int(),
    orphansRemoved: z.int().meta({ description: 'Files without a record, older than an hour.' }),
    missingFiles: z.int().meta({
      description:
        'Pictures on record as `succeeded` of which a published file is gone. Unless this is a dry run, the files of the ' +
        'first 100 are made again from their originals, without paying. Those whose original is gone too stay as they ' +
        'are: delete them, and send the request again. With fewer files than pictures nothing is changed, since rather ' +
        'a volume is not mounted.',
    }),
    missingFilesOf: z.array(z.string()).readonly().meta({ description: 'Their mediaIds, newest first; at most 100.' }),
    dryRun: z.boolean(),
    durationMs: z.number(),
  })
  .meta({ id: 'CleanupReport' }) satisfies z.ZodType<CleanupReport>;

export const lastCleanup = cleanupReport
  .extend({ time: timestamp('When it ended.') })
  .meta({ id: 'LastCleanup' }) satisfies z.ZodType<LastCleanup>;

// -------------------------------------------------------------- health

const checkReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']),
    detail: z.string().optional(),
    since: timestamp('When it took this status.'),
  })
  .meta({ id: 'HealthCheck' });

export const healthReport = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'error']).meta({ description: 'The worst of the checks.' }),
    detail: z.string().optional(),
    checks: z.strictObject({ storage: checkReport, database: checkReport, queue: checkReport, providers: checkReport }),
    version: z.string(),
    uptimeSeconds: z.number(),
  })
  .meta({ id: 'Health' });

export const liveReport = z.strictObject({ status: z.literal('ok') });
