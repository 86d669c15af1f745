/** Fields that several schemas share. */

import { z } from 'zod';

/** Well-formed Unicode without NUL: a NUL or a lone surrogate breaks some databases and model APIs. */
export const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be valid Unicode without NUL characters');

/** Text that is not blank. */
export const nonBlankText = text.refine(
  (value) => value.trim() !== '',
  'must not be blank; leave it out or say something',
);

/** A time in an answer: ISO 8601, UTC, with milliseconds. */
export const timestamp = (description: string) =>
  z.string().meta({ format: 'date-time', description, examples: ['2026-11-23T16:02:30.000Z'] });

/** Path parameters of one image. Any text passes: one that cannot be a mediaId is answered with `not_found`. */
export const imageParams = z.object({ mediaId: z.string().meta({ examples: ['article-42-hero'] }) });
