/** The provenance of an image: what its record and its files say, and the result of verifying it. */

import { z } from 'zod';
import { DIGITAL_SOURCE_TYPES } from '../core/domain/digital-source.ts';
import { INPUT_FORMATS } from '../core/domain/input.ts';
import {
  type FileProvenance,
  INPUT_ROLES,
  INTEGRITIES,
  type Provenance,
  type StoredProvenance,
} from '../core/images/provenance.ts';
import {
  type ContentCredentials,
  CREDENTIAL_VERDICTS,
  type EmbeddedMetadata,
} from '../core/ports/provenance-reader.ts';

const nullableText = (description: string) => z.string().nullable().meta({ description });
const sha256 = z.string().meta({ description: 'By the record, in hex.' });

const embeddedMetadata = z
  .strictObject({
    digitalSourceType: nullableText('An IPTC NewsCode.'),
    model: nullableText('The AI system that was used.'),
    provider: nullableText('Who supplied the picture.'),
    createdAt: nullableText('As it stands there.'),
    mediaId: nullableText('The identifier.'),
    originalSha256: nullableText('Of what it was derived from, where that is named by its sha256.'),
    prompt: nullableText('Only in files that were made with `EMBED_PROMPT=true`.'),
  })
  .meta({ id: 'EmbeddedMetadata', description: "What the file's XMP says. It is not signed." });

/** A C2PA manifest after verification. */
export const contentCredentials = z
  .strictObject({
    verdict: z.enum(CREDENTIAL_VERDICTS).meta({
      description:
        '`valid`: signature, assertions and content fit together. `invalid`: something does not, or cannot be read. ' +
        '`unverified`: nothing is known to be wrong, but not all of it can be checked here. No list of trusted signers is ' +
        'consulted: anyone can be the signer.',
    }),
    detail: z.string().meta({ description: 'The verdict in a sentence.' }),
    failures: z
      .array(
        z.strictObject({
          code: z.string().meta({ examples: ['assertion.dataHash.mismatch'] }),
          detail: z.string().nullable(),
        }),
      )
      .readonly()
      .meta({ description: "What speaks against it, by C2PA's status codes." }),
    signer: z
      .strictObject({ name: z.string(), issuer: z.string(), validUntil: z.string().meta({ format: 'date-time' }) })
      .nullable()
      .meta({ description: 'Whom the certificate names, and who issued it.' }),
    signedAt: z
      .string()
      .nullable()
      .meta({ format: 'date-time', description: 'By a time stamp that verified; null without one.' }),
    generator: nullableText('The software that made the claim.'),
    digitalSourceType: nullableText('Of the first action that has one.'),
    ingredients: z
      .array(z.strictObject({ title: z.string().nullable(), hasManifest: z.boolean() }))
      .readonly()
      .meta({ description: 'What the file was made from, and whether the manifest of that came along.' }),
  })
  .meta({ id: 'ContentCredentials', description: 'A C2PA manifest, and what checking it brought.' });

const stored = {
  bytes: z.int().meta({ description: 'By the record.' }),
  sha256,
  integrity: z.enum(INTEGRITIES).meta({ description: 'Whether the stored bytes are still those of the record.' }),
  xmp: embeddedMetadata.nullable(),
  c2pa: contentCredentials.nullable().meta({ description: 'Null for a file without a C2PA manifest.' }),
};

const inputProvenance = z
  .strictObject({
    role: z.enum(INPUT_ROLES),
    sha256: z.string().meta({ description: 'Of its bytes as they were sent, in hex.' }),
    format: z.enum(INPUT_FORMATS),
    width: z.int(),
    height: z.int(),
    mediaId: nullableText('The picture of this service that it is; null for one from elsewhere.'),
    url: nullableText('The address that it came from; null where it came otherwise.'),
  })
  .meta({ id: 'InputProvenance', description: 'A picture that an edit started from.' });

const storedProvenance = z
  .strictObject(stored)
  .meta({ id: 'OriginalProvenance', description: 'What the model returned.' });

const fileProvenance = z
  .strictObject({
    url: z.string().meta({ examples: ['/media/article-42-hero.png'] }),
    width: z.int(),
    height: z.int(),
    format: z.string(),
    isOriginal: z.boolean().meta({ description: 'Whether it is the original, byte for byte.' }),
    digitalSourceType: nullableText('What the file itself says, by its XMP or else its manifest.'),
    ...stored,
  })
  .meta({ id: 'FileProvenance', description: 'A published file.' });

/** Answer of `GET /images/:mediaId/provenance`. */
export const provenanceRecord = z
  .strictObject({
    mediaId: z.string().meta({ examples: ['article-42-hero'] }),
    digitalSourceType: z
      .enum(DIGITAL_SOURCE_TYPES)
      .nullable()
      .meta({
        description:
          'What the picture is, as an IPTC NewsCode: `algorithmicMedia` where the placeholder painted it, else ' +
          '`trainedAlgorithmicMedia`. Null until the model has answered.',
      }),
    provider: z.string(),
    model: z.string(),
    createdAt: z.string().meta({ format: 'date-time' }),
    originalSha256: sha256.nullable(),
    inputs: z
      .array(inputProvenance)
      .readonly()
      .meta({ description: 'The pictures that the model was given besides the prompt, in order, the mask last.' }),
    original: storedProvenance.nullable().meta({ description: 'Null until the model has answered.' }),
    master: fileProvenance.nullable().meta({ description: 'Null until it is published.' }),
    renditions: z.array(fileProvenance).readonly(),
  })
  .meta({ id: 'Provenance', description: 'Where a picture comes from.' });

/** Makes the answer of an image's provenance. */
export function toProvenanceRecord(provenance: Provenance): z.output<typeof provenanceRecord> {
  const { mediaId, digitalSourceType, provider, model, createdAt, originalSha256 } = provenance;
  const { original, master, renditions } = provenance;
  return {
    mediaId,
    digitalSourceType,
    provider,
    model,
    createdAt,
    originalSha256,
    inputs: provenance.inputs.map(toInputProvenance),
    original: original && toStoredProvenance(original),
    master: master && toFileProvenance(master),
    renditions: renditions.map(toFileProvenance),
  };
}

function toInputProvenance(input: Provenance['inputs'][number]): z.output<typeof inputProvenance> {
  const { role, sha256, format, width, height, source } = input;
  const mediaId = 'mediaId' in source ? source.mediaId : null;
  return { role, sha256, format, width, height, mediaId, url: 'url' in source ? source.url : null };
}

function toFileProvenance(file: FileProvenance): z.output<typeof fileProvenance> {
  const { url, width, height, format, isOriginal, digitalSourceType } = file;
  return { url, width, height, format, isOriginal, digitalSourceType, ...toStoredProvenance(file) };
}

function toStoredProvenance(file: StoredProvenance): z.output<typeof storedProvenance> {
  const { bytes, sha256, integrity, xmp, c2pa } = file;
  return {
    bytes,
    sha256,
    integrity,
    xmp: xmp && toEmbeddedMetadata(xmp),
    c2pa: c2pa && toContentCredentials(c2pa),
  };
}

function toEmbeddedMetadata(xmp: EmbeddedMetadata): z.output<typeof embeddedMetadata> {
  const { digitalSourceType, model, provider, createdAt, mediaId, originalSha256, prompt } = xmp;
  return { digitalSourceType, model, provider, createdAt, mediaId, originalSha256, prompt };
}

function toContentCredentials(c2pa: ContentCredentials): z.output<typeof contentCredentials> {
  const { verdict, detail, failures, signer, signedAt, generator, digitalSourceType, ingredients } = c2pa;
  return { verdict, detail, failures, signer, signedAt, generator, digitalSourceType, ingredients };
}
