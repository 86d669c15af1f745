import { z } from 'zod';

const MEDIA_ID = /^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9_-])?$/;

/** Text that every store and every model can take: a NUL or half a surrogate pair breaks some of them. */
export const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be valid Unicode without NUL characters');

/** Text that says something. */
export const nonBlankText = text.refine(
  (value) => value.trim() !== '',
  'must not be blank; leave it out or say something',
);

/** A short name out of a list that the service knows, such as a model. */
export const name = nonBlankText.max(200);

/** A part of the brief; blank counts as left out. */
export const part = (description: string, example: string) =>
  text.optional().meta({ description, examples: [example] });
export const parts = (description: string, example: string[]) =>
  z
    .array(text)
    .optional()
    .meta({ description, examples: [example] });

export const mediaId = z
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
export function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size === values.length;
}

/** A time as it stands in records. */
export const timestamp = (description: string) =>
  z.string().meta({ format: 'date-time', description, examples: ['2026-11-23T16:02:30.000Z'] });

/** Path of one image. Any text will do: what cannot be a mediaId is simply not found. */
export const imageParams = z.object({ mediaId: z.string().meta({ examples: ['article-42-hero'] }) });
/** A day or a moment, as the millisecond that it begins with. In a query, the + of an offset has to be written %2B. */
export const isoTime = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error:
      'must be an ISO 8601 day or time with its zone, such as 2026-11-23 or 2026-11-23T16:00:00Z (a + is sent as %2B)',
  })
  .transform((value) => new Date(value).toISOString());
