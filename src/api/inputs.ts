/** Pictures that a request brings: how requests name them, and how records do. */

import { z } from 'zod';
import type { GivenInput, Input } from '../core/domain/input.ts';
import { nonBlankText, text } from './fields.ts';

type FileInput = Extract<GivenInput, { readonly file: string }>;

/** An input as a body names it: a file by the name of its part. */
export type NamedInput = Exclude<GivenInput, FileInput> | Omit<FileInput, 'bytes'>;

const WAYS = ['mediaId', 'url', 'file', 'sha256'] as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case');

/** A picture that a request brings, named in exactly one way. */
export const namedInput = z
  .strictObject({
    mediaId: nonBlankText
      .max(128)
      .optional()
      .meta({ description: 'The master of a picture of this service.', examples: ['brand-hero'] }),
    url: text
      .max(2048)
      .pipe(
        z.url({ protocol: /^https?$/, error: 'must be an http or https URL, such as https://example.com/logo.png' }),
      )
      .optional()
      .meta({ description: 'A public address.', examples: ['https://example.com/logo.png'] }),
    file: nonBlankText
      .max(200)
      .optional()
      .meta({ description: 'A part of the `multipart/form-data` body, by its name.', examples: ['image'] }),
    sha256: sha256.optional().meta({
      description: 'Of the bytes, in hex, as the record of a picture shows it that the key may see.',
      examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    }),
  } satisfies Record<(typeof WAYS)[number], z.ZodType>)
  .transform((given, context): NamedInput => {
    const { mediaId, url, file, sha256 } = given;
    const ways = WAYS.filter((way) => given[way] !== undefined);
    // An unknown field is an issue by itself.
    if (ways.length !== 1 && context.issues.length === 0) {
      const found = ways.length === 0 ? 'none' : ways.join(' and ');
      context.addIssue(`must have exactly one of mediaId, url, file and sha256, and has ${found}`);
    }
    if (mediaId !== undefined) return { mediaId };
    if (url !== undefined) return { url };
    return file !== undefined ? { file } : { sha256: sha256 ?? '' };
  })
  .meta({
    id: 'NamedPicture',
    description: 'A picture to start from, named in exactly one way.',
    minProperties: 1,
    maxProperties: 1,
  });

/** Where an input came from, as a record shows it. */
export const inputSource = z
  .union([
    z.strictObject({ mediaId: z.string() }),
    z.strictObject({ url: z.string() }),
    z.strictObject({ sha256: z.string() }),
  ])
  .meta({
    id: 'InputSource',
    description: 'Where the input came from. One that came as a file is named by the SHA-256 of its bytes.',
    examples: [{ mediaId: 'brand-hero' }],
  }) satisfies z.ZodType<Input['source']>;
