/**
 * The record of an image, and the stand-in of an image. `toRecord`, which makes a record, stands in the core: webhooks send it too.
 */

import { z } from 'zod';
import { CHECK_NAMES, CHECK_VERDICTS } from '../core/domain/checks.ts';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES, RENDITION_FORMATS } from '../core/domain/formats.ts';
import { IMAGE_STATUSES, type Image, WARNING_CODES } from '../core/domain/image.ts';
import { COST_BASES } from '../core/domain/money.ts';
import { type ImageRecord, SHOWN_OUTCOMES } from '../core/domain/record.ts';
import { forEachBriefPart } from '../core/domain/request.ts';
import { codeOf, discriminator, timestamp } from './fields.ts';
import { inputSource } from './inputs.ts';
import { problemCode } from './problem.ts';

const fileUrl = z.string().meta({
  description: 'Where it is served: a path, or a URL where `PUBLIC_URL` is set.',
  examples: ['/media/article-42-hero.png'],
});
const versionedUrl = z.string().meta({
  description: 'The same with the first 12 digits of the sha256: may be cached for ever.',
  examples: ['/media/article-42-hero.png?v=3f1c9a0b77de'],
});
const filePath = z
  .string()
  .meta({ description: 'Where it is kept: in `MEDIA_DIR`.', examples: ['media/article-42-hero.png'] });
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
    status: z.literal('ready'),
  })
  .meta({ id: 'Rendition', description: 'A derived file.' });

const thumbnail = z
  .strictObject({
    url: fileUrl.meta({ description: 'Where it is served.', examples: ['/media/article-42-hero@thumb.webp'] }),
    versionedUrl: versionedUrl.meta({
      description:
        'The same with the first 12 digits of its sha256; without them until it is first asked for, where an older Easel made the picture.',
      examples: ['/media/article-42-hero@thumb.webp?v=5b0e7c19d2aa'],
    }),
    width: z.int(),
    height: z.int(),
  })
  .meta({
    id: 'Thumbnail',
    description:
      'A small copy of the master for lists: a WebP of at most 480 pixels a side and 60 kB. It is no rendition.',
  });

/** The calls to providers that were made for one image. */
export const attempts = z.array(
  z
    .strictObject({
      provider: z.string(),
      startedAt: timestamp('When the call was sent.'),
      durationMs: z.number().nullable().meta({ description: 'Null while it runs, or if the process died during it.' }),
      outcome: z.enum(SHOWN_OUTCOMES).meta({
        description:
          '`running`: now; where its process was killed, until the job is taken over. `failed` is known not to be billed, `unknown` ' +
          'may be.',
      }),
      httpStatus: z.int().nullable(),
      providerRequestId: z.string().nullable(),
    })
    .meta({ id: 'Attempt', description: 'A call to a provider.' }),
);

/** The cost of calls to providers. */
export const cost = z
  .strictObject({
    usd: z.number().nullable().meta({ description: 'US dollars; null where unknown.' }),
    basis: z.enum(COST_BASES).meta({
      description:
        "`usage`: by the provider's own count. `estimate`: by the catalog, in whole or in part; " +
        'a call whose outcome is unknown counts in full. `unknown`: no price is known. ' +
        '`none`: nothing was called, or nothing of it billed.',
    }),
  })
  .meta({ id: 'Cost' });

/** The status of an image. */
export const imageStatus = z
  .enum(IMAGE_STATUSES)
  .meta({ id: 'ImageStatus', description: 'The first three move on by themselves, the others are ends.' });

const check = z
  .strictObject({
    name: z.enum(CHECK_NAMES),
    value: z.number(),
    threshold: z.number().meta({ description: 'The least value that is ok.' }),
    verdict: z.enum(CHECK_VERDICTS),
  })
  .meta({ id: 'Check', description: 'What a check of the picture found.' });

const warning = z
  .strictObject({ code: codeOf(WARNING_CODES), detail: z.string() })
  .meta({ id: 'Warning', description: 'What was done in another way than it was asked for.' });

const failure = z
  .strictObject({ code: problemCode, detail: z.string() })
  .meta({ id: 'ImageFailure', description: 'Why a picture failed.' });

const pendingRendition = z
  .strictObject({
    url: fileUrl.meta({ description: 'Where it will be served.', examples: ['/media/article-42-hero@1200x675.avif'] }),
    status: z.literal('pending'),
  })
  .meta({
    id: 'PendingRendition',
    description: 'A derived file of a slow format, which is made after the master; ask for the record again.',
  });

const briefPart = z.string().exactOptional();
const briefParts = z.array(z.string()).readonly().exactOptional();

/** What was asked, as a record shows it. */
const requestRecord = z
  .strictObject({
    prompt: z.string().nullable(),
    brief: z
      .strictObject(forEachBriefPart(briefPart, briefParts))
      .nullable()
      .meta({ description: "With what the preset's brief adds; null beside a prompt." }),
    preset: z
      .string()
      .nullable()
      .meta({ examples: ['article-hero@1'] }),
    model: z.string(),
    provider: z.string().nullable(),
    size: z.string().meta({ examples: ['1792x1024'] }),
    quality: z.enum(QUALITIES),
    style: z.string().nullable(),
    background: z.enum(BACKGROUNDS),
    format: z.enum(MASTER_FORMATS),
    renditions: z.array(z.string()).meta({ examples: [['1200x675.png']] }),
    inputs: z.array(inputSource).exactOptional().meta({ description: 'Absent for none, as `mask`.' }),
    mask: inputSource.exactOptional(),
    partials: z.int(),
    metadata: z.record(z.string(), z.string()),
    labels: z.array(z.string()),
    ttlSeconds: z.int().nullable(),
    webhookUrl: z
      .string()
      .nullable()
      .meta({ description: 'Scheme and host alone, as the rest may be secret.', examples: ['https://example.com/…'] }),
  })
  .meta({
    id: 'ImageRequest',
    description:
      'What was asked, with presets and defaults filled in. Without `webhookUrl` it is valid as a body of `POST /images` again.',
  });

/** The record, exactly as `toRecord` makes it. */
export const imageRecord = z
  .strictObject({
    mediaId: z.string().meta({ examples: ['article-42-hero'] }),
    status: imageStatus,
    request: requestRecord,
    queuePosition: z
      .int()
      .nullable()
      .meta({ description: '1 for the picture that is next, or whose turn has come; null unless `queued`.' }),
    url: fileUrl.nullable(),
    versionedUrl: versionedUrl.nullable(),
    path: filePath.nullable(),
    width: z.int(),
    height: z.int(),
    format: z.enum(MASTER_FORMATS),
    bytes: z.int().nullable(),
    sha256: sha256.nullable(),
    thumbhash: z.string().nullable().meta({ description: 'A blurred stand-in of some 30 bytes, base64.' }),
    thumbnail: thumbnail.nullable().meta({ description: 'Null until the picture has succeeded.' }),
    renditions: z.array(
      z
        .discriminatedUnion('status', [renditionRecord, pendingRendition])
        .meta(discriminator('status', { ready: 'Rendition', pending: 'PendingRendition' })),
    ),
    prompt: z.string().meta({ description: 'The final prompt.' }),
    revisedPrompt: z.string().nullable().meta({ description: 'What the provider made of it, where it says so.' }),
    preset: z
      .string()
      .nullable()
      .meta({ examples: ['article-hero@1'] }),
    provider: z.string(),
    model: z.string(),
    requestedSize: z.string().meta({ description: 'What the model was asked for.', examples: ['1792x1024'] }),
    checks: z.array(check),
    attempts: attempts.meta({ description: 'The newest 50, oldest first.' }),
    attemptsOmitted: z
      .strictObject({
        count: z.int(),
        usd: z.number().nullable().meta({ description: 'What they cost together, in US dollars; null where unknown.' }),
      })
      .meta({ description: 'The older attempts, in sum. `cost` includes them.' }),
    cost,
    warnings: z.array(warning),
    metadata: z.record(z.string(), z.string()),
    labels: z.array(z.string()),
    pinned: z.boolean().meta({ description: 'Whether no cleanup removes it: by PATCH, or by the label `pinned`.' }),
    createdAt: timestamp('When the request was accepted.'),
    statusSince: timestamp('When it took its status.'),
    startedAt: timestamp('When the present run left the queue and began to work; null before.').nullable(),
    completedAt: timestamp('When the picture ended, well or not.').nullable(),
    expiresAt: timestamp('When it will be deleted.').nullable(),
    error: failure.nullable(),
  })
  .meta({ id: 'ImageRecord', description: 'All that is known about one picture.' }) satisfies z.ZodType<ImageRecord>;

/** Answer of `GET /images/:mediaId/preview`: what a page can show while the picture loads. */
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

/** Makes the stand-in of an image, with the data URL that `toDataUrl` makes of its thumbhash; null until a picture has been decoded. */
export function toImagePreview(
  { thumbhash, dominantColour }: Image,
  toDataUrl: (thumbhash: string) => string,
): z.output<typeof imagePreview> | null {
  if (thumbhash === null || dominantColour === null) return null;
  return { thumbhash, dataUrl: toDataUrl(thumbhash), dominantColour };
}
