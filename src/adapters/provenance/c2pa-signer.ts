/**
 * Signs the files that Easel encodes. Importing this loads c2pa-ts (see `c2pa-reader.ts`), so it is imported only where
 * signing is configured.
 */

import type { Signer } from '@trustnxt/c2pa-ts/cose';
import { ActionType, ValidationStatusCode } from '@trustnxt/c2pa-ts/manifest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../core/domain/digital-source.ts';
import { type Crop, formatSize, type Size } from '../../core/domain/geometry.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { EncodedFile, FinishSpec } from '../../core/ports/imaging.ts';
import { readCredentials } from './c2pa-reader.ts';
import { coseSigner, type SigningIdentity } from './cose-signer.ts';
import { embedManifest, type ManifestSpec } from './manifest-writer.ts';
import { readParentManifest } from './parent-manifest.ts';
import { carriesManifest } from './reader.ts';

export interface SignerOptions {
  readonly identity: SigningIdentity;
  /** The software that each claim names as its generator. */
  readonly generator: ManifestSpec['generator'];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Makes a signer for the files of each original. */
export interface FileSigner {
  signerFor(original: Uint8Array, picture: SourcePicture, spec: FinishSpec): Promise<PictureSigner>;
}

/** Signs the files that are made from one original. Never rejects: a picture without a signature is better than none. */
interface PictureSigner {
  /** The file with a manifest that names the original as its parent. On failure the file unchanged, with a warning. */
  sign(file: EncodedFile, crop: Crop): Promise<EncodedFile>;
  /** What failed so far, without duplicates. */
  readonly warnings: readonly Warning[];
}

/** The decoded original: its size in pixels and its format. */
type SourcePicture = Size & { readonly format: string };

/**
 * Makes a signer and tries it: signs a small picture and verifies the result.
 * Rejects with an `Error` that says what is wrong with the key or the certificate.
 */
export async function createFileSigner(options: SignerOptions): Promise<FileSigner> {
  await trySigner(options);
  return trustedSigner(options);
}

/** As `createFileSigner`, without the trial: for an identity that has passed it. */
export function trustedSigner(options: SignerOptions): FileSigner {
  const signer = coseSigner(options.identity);
  return { signerFor: (original, picture, spec) => createPictureSigner(original, picture, spec, signer, options) };
}

/** Signs a small picture and verifies the result. Rejects with an `Error` that says what is wrong with the key or the certificate. */
export async function trySigner(options: SignerOptions): Promise<void> {
  const signer = coseSigner(options.identity);
  const trial = await embedManifest(TRIAL_PNG, {
    signer,
    generator: options.generator,
    ingredient: { title: 'a trial', format: 'image/png', sha256: '', description: 'a trial', parent: null },
    inputs: [],
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    edits: [],
  });
  const { verdict, failures } = await readCredentials(trial);
  if (verdict !== 'valid') throw new Error(describeTrialFailure(failures.map(({ code }) => code)));
}

/** One black pixel. */
const TRIAL_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);

function describeTrialFailure(codes: readonly string[]): string {
  if (codes.includes(ValidationStatusCode.SigningCredentialInvalid)) {
    return (
      'C2PA does not allow signing with this certificate; it must be X.509 v3, issued by another certificate, with an ' +
      'authority key identifier, the critical key usage digitalSignature and the extended key usage emailProtection or ' +
      'documentSigning; in the chain each certificate is followed by its issuer, and each issuer has a critical key ' +
      'usage and a subject key identifier'
    );
  }
  return `a file signed with it does not verify: ${codes.join(', ')}`;
}

async function createPictureSigner(
  original: Uint8Array,
  picture: SourcePicture,
  { provenance }: FinishSpec,
  signer: Signer,
  { identity, generator, now }: SignerOptions,
): Promise<PictureSigner> {
  const { digitalSourceType } = provenance;
  const warnings = new Map<string, Warning>();
  const warn = (code: Warning['code'], detail: string) => void warnings.set(detail, { code, detail });

  const parent = await readParentManifest(original).catch(() => null);
  if (parent === null && carriesManifest(original)) {
    warn('credentials_dropped', "the original's C2PA manifest cannot be read, and is not in the files made from it");
  }
  const ingredient = {
    title: 'the original',
    format: `image/${picture.format}`,
    sha256: provenance.originalSha256,
    description: `as ${provenance.model} of ${provenance.provider} returned it, sha256 ${provenance.originalSha256}`,
    parent,
  };

  const { model, provider } = provenance;
  const inputs = (provenance.inputs ?? []).map(({ sha256, format, mediaId }, index) => ({
    title: `input ${index + 1}`,
    format: `image/${format}`,
    sha256,
    description: `given to ${model} of ${provider}, ${mediaId === null ? '' : `mediaId ${mediaId}, `}sha256 ${sha256}`,
  }));

  return {
    async sign(file, crop) {
      const { bytes } = file;
      const { validTo, validToDate } = identity.chain[0];
      if (now() > validToDate.getTime()) {
        warn('not_signed', `files are not signed: the certificate of C2PA_CERT expired on ${validTo}`);
        return file;
      }
      try {
        const edits = editsOf(picture, crop, file);
        return {
          ...file,
          bytes: await embedManifest(bytes, { signer, generator, ingredient, inputs, digitalSourceType, edits }),
        };
      } catch (error) {
        warn('not_signed', `a ${file.format} file could not be signed: ${String(error)}`);
        return file;
      }
    },
    get warnings() {
      return [...warnings.values()];
    },
  };
}

/** What was done to the original to make the file, as C2PA actions. */
function editsOf(picture: SourcePicture, crop: Crop, file: EncodedFile): readonly ActionType[] {
  const edits: ActionType[] = [];
  if (formatSize(crop) !== formatSize(picture)) edits.push(ActionType.C2paCropped);
  if (formatSize(crop) !== formatSize(file)) edits.push(ActionType.C2paResized);
  if (file.format !== picture.format) edits.push(ActionType.C2paConverted);
  return edits;
}
