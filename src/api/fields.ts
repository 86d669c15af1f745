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

/** A whole number of a query string, from `min` to `max`. */
export function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int({ error }).min(min, { error }).max(max, { error });
}

/** A time in an answer: ISO 8601, UTC, with milliseconds. */
export const timestamp = (description: string) =>
  z.string().meta({ format: 'date-time', description, examples: ['2026-11-23T16:02:30.000Z'] });

/** Path parameters of one image. Any text passes: one that cannot be a mediaId is answered with `not_found`. */
export const imageParams = z.object({ mediaId: z.string().meta({ examples: ['article-42-hero'] }) });

/**
 * A code of a closed list. The document names all of them; any text passes in an answer, since the record of an image may have been
 * written by another version.
 */
export const codeOf = <Code extends string>(codes: readonly Code[]) =>
  z.string().meta({ enum: [...codes] }) as unknown as z.ZodType<Code, Code>;

/** What a union of named schemas says in the document, so that generated clients tell them apart by one property. */
export const discriminator = (propertyName: string, schemas: Readonly<Record<string, string>>) => ({
  discriminator: {
    propertyName,
    mapping: Object.fromEntries(Object.entries(schemas).map(([value, id]) => [value, `#/components/schemas/${id}`])),
  },
});
