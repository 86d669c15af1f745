/** The list of images, what it can be asked for, and the labels of images. */

import { z } from 'zod';
import type { ToRecord } from '../core/domain/record.ts';
import { MAX_LABELS } from '../core/images/images.ts';
import type { LabelCount, Page } from '../core/ports/record-store.ts';
import { nonBlankText, wholeNumber } from './fields.ts';
import { imageRecord, imageStatus } from './image-record.ts';

/** A day or a time; comes out as ISO 8601 in UTC, a day as its first millisecond. In a query string the + of an offset is written %2B. */
const isoTime = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error:
      'must be an ISO 8601 day or time with its zone, such as 2026-11-23 or 2026-11-23T16:00:00Z (a + is sent as %2B)',
  })
  .transform((value) => new Date(value).toISOString());

/** Query of `GET /images`. */
export const listQuery = z.strictObject({
  // A query string gives a parameter that stands there once as a text.
  status: z
    .preprocess(
      (value) => (typeof value === 'string' ? [value] : value),
      z.array(imageStatus).transform((statuses) => [...new Set(statuses)]),
    )
    .optional()
    .meta({ description: 'Only those with one of these: `?status=failed&status=cancelled`.' }),
  label: z
    .preprocess(
      (value) => (typeof value === 'string' ? [value] : value),
      z
        .array(nonBlankText.max(64))
        .min(1)
        .max(16)
        .transform((labels) => [...new Set(labels)]),
    )
    .optional()
    .meta({ description: 'Only those with one of these, up to 16: `?label=blog&label=shop`.', examples: [['blog']] }),
  preset: nonBlankText
    .max(200)
    .optional()
    .meta({
      description: 'Only those of this preset: `name` in any version, `name@version` in that one.',
      examples: ['article-hero', 'article-hero@1'],
    }),
  q: nonBlankText
    .max(200)
    .optional()
    .meta({
      description:
        'Only those with every word of this, in whatever case, in the prompt of the request, in the prompt that was sent, or in the ' +
        'texts of the brief. A word may be part of a longer one, and no character has a meaning of its own.',
      examples: ['lighthouse dusk'],
    }),
  createdAfter: isoTime.optional().meta({
    description: 'Only those created at this time or later; a day begins at 00:00 UTC.',
    examples: ['2026-11-23'],
  }),
  createdBefore: isoTime
    .optional()
    .meta({ description: 'Only those created before this time.', examples: ['2026-11-23T16:00:00Z'] }),
  limit: wholeNumber(1, 100).default(20).meta({ description: 'Most to give, 1 to 100.' }),
  cursor: nonBlankText.max(1024).optional().meta({ description: '`nextCursor` of the page before.' }),
});

/** Answer of `GET /images`. */
export const imageList = z
  .strictObject({
    items: z.array(imageRecord).meta({ description: 'Newest first.' }),
    nextCursor: z
      .string()
      .nullable()
      .meta({
        description:
          'Asks for the page after this; null on the last. With `q` or `preset` a page looks at a bounded number of pictures: it may ' +
          'have fewer than `limit`, even none, and be followed by others.',
      }),
  })
  .meta({ id: 'ImageList' });

/** Answer of `GET /labels`. */
export const labelList = z
  .strictObject({
    items: z
      .array(
        z.strictObject({
          label: z.string().meta({ examples: ['blog'] }),
          images: z.int().meta({ description: 'Pictures that have it.', examples: [12] }),
        }),
      )
      .readonly()
      .meta({ description: `The most used first, then by name; at most ${MAX_LABELS.toLocaleString('en')}.` }),
  })
  .meta({ id: 'LabelList' });

/** Makes the answer of `GET /labels`. */
export function toLabelList(items: readonly LabelCount[]): z.input<typeof labelList> {
  return { items: items.map(({ label, images }) => ({ label, images })) };
}

/** Makes a page of records. */
export async function toImageList({ items, nextCursor }: Page, toRecord: ToRecord): Promise<z.input<typeof imageList>> {
  return { items: await Promise.all(items.map(toRecord)), nextCursor };
}
