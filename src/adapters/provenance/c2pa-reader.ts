/**
 * Reading and checking C2PA manifests with c2pa-ts. Importing this loads the library: 260 ms and 26 MB, so it is imported
 * where the first manifest turns up.
 *
 * The library (0.9.4) knows PNG, JPEG and, as far as tried, AVIF; `webp-asset.ts` adds WebP. What it leaves out and is done
 * here: whether each certificate of the chain signs the one before it, and whether the manifests of ingredients are those
 * that were signed for. What nobody does here: asking a list of trusted signers, asking for revocations, and checking
 * bindings to the content other than data hash and BMFF hash.
 */

import { createHash, X509Certificate } from 'node:crypto';
import { type Asset, BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { CoseAlgorithmIdentifier } from '@trustnxt/c2pa-ts/cose';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import {
  ActionAssertion,
  type HashedURI,
  IngredientAssertion,
  type Manifest,
  ManifestStore,
  ValidationResult,
  ValidationStatusCode,
} from '@trustnxt/c2pa-ts/manifest';
import type { ContentCredentials, Finding } from '../../core/ports/provenance-reader.ts';
import { isWebp, openWebp } from './webp-asset.ts';

/** The file as c2pa-ts takes files; null for a format that cannot be signed or checked. Raises `Error` for a broken file. */
export function openAsset(bytes: Uint8Array): Asset | null {
  if (PNG.canRead(bytes)) return new PNG(bytes);
  if (JPEG.canRead(bytes)) return new JPEG(bytes);
  if (isWebp(bytes)) return openWebp(bytes);
  return BMFF.canRead(bytes) ? new BMFF(bytes) : null;
}

/** Checks the manifest in a file that has one. Never rejects: what cannot be read is invalid, and the detail says why. */
export async function readCredentials(bytes: Uint8Array): Promise<ContentCredentials> {
  try {
    const asset = openAsset(bytes);
    if (asset === null) return unreadCredentials('unverified', 'manifests in this format cannot be checked here');
    const jumbf = asset.getManifestJUMBF();
    if (jumbf === undefined) return unreadCredentials('invalid', 'the manifest is damaged, or there is more than one');
    const store = ManifestStore.read(SuperBox.fromBuffer(new Uint8Array(jumbf)));
    const manifest = store.getActiveManifest();
    return manifest
      ? await checkManifest(manifest, asset)
      : unreadCredentials('invalid', 'the manifest store is empty');
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    const failures = ValidationResult.fromError(cause).statusEntries.map(toFinding);
    const unknown = failures.some(({ code }) => code === ValidationStatusCode.AlgorithmUnsupported);
    // What the library says of compressed manifests.
    if (unknown || cause.message.endsWith('not supported')) {
      return unreadCredentials('unverified', 'the manifest uses an algorithm or a form that is unknown here');
    }
    return { ...unreadCredentials('invalid', 'the manifest cannot be read'), failures };
  }
}

function unreadCredentials(verdict: 'invalid' | 'unverified', detail: string): ContentCredentials {
  return {
    verdict,
    detail,
    failures: [],
    signer: null,
    signedAt: null,
    generator: null,
    digitalSourceType: null,
    ingredients: [],
  };
}

async function checkManifest(manifest: Manifest, asset: Asset): Promise<ContentCredentials> {
  // Before the library checks anything: it writes boxes anew on the way, and their bytes would be its own.
  const mismatched = mismatchedIngredients(manifest);
  const { statusEntries } = await manifest.validate(asset);
  const limit = libraryLimit(manifest);
  const libraryFindings = statusEntries
    .filter(({ success, code }) => !success && code !== limit?.excuses)
    .map(toFinding);
  const failures = [...libraryFindings, ...mismatched, ...brokenChain(manifest)];
  const signature = manifest.signature?.signatureData;
  const hasTrustedTimeStamp = statusEntries.some(({ code }) => code === ValidationStatusCode.TimeStampTrusted);
  const { claimGeneratorName, claimGeneratorVersion } = manifest.claim ?? {};
  return {
    ...verdictOf(failures, limit?.detail ?? null),
    failures,
    signer: signature?.certificate
      ? {
          name: commonName(signature.certificate.subject),
          issuer: commonName(signature.certificate.issuer),
          validUntil: signature.certificate.notAfter.toISOString(),
        }
      : null,
    signedAt: (hasTrustedTimeStamp && signature?.timestamp?.toISOString()) || null,
    generator: text([claimGeneratorName, claimGeneratorVersion].filter(Boolean).join('/')),
    digitalSourceType: digitalSourceType(manifest),
    ingredients: ingredientsOf(manifest).map((ingredient) => ({
      title: text(ingredient.title),
      hasManifest: manifestReference(ingredient) !== undefined,
    })),
  };
}

function verdictOf(
  failures: readonly Finding[],
  unchecked: string | null,
): Pick<ContentCredentials, 'verdict' | 'detail'> {
  if (failures.length > 0) {
    const codes = [...new Set(failures.map(({ code }) => code))].join(', ');
    return { verdict: 'invalid', detail: `the manifest does not verify: ${codes}` };
  }
  if (unchecked !== null) return { verdict: 'unverified', detail: unchecked };
  return {
    verdict: 'valid',
    detail: 'signature, assertions and content fit together; no list of trusted signers was consulted',
  };
}

/** Of the others it takes note, and no more. */
const CHECKED_BINDINGS: ReadonlySet<string> = new Set(['c2pa.hash.data', 'c2pa.hash.bmff.v2', 'c2pa.hash.bmff.v3']);

/** What the library cannot check about this manifest, and the complaint that comes of it and means nothing. */
function libraryLimit(manifest: Manifest): { detail: string; excuses: ValidationStatusCode | null } | null {
  // Its table has SHA-256 in the row of ES512.
  if (manifest.signature?.signatureData.algorithm?.coseIdentifier === CoseAlgorithmIdentifier.ES512) {
    return {
      detail: 'signatures by ES512 cannot be checked here',
      excuses: ValidationStatusCode.ClaimSignatureMismatch,
    };
  }
  const bindings = manifest.assertions?.getHardBindings() ?? [];
  if (bindings.some(({ label = '' }) => !CHECKED_BINDINGS.has(label))) {
    return { detail: 'the manifest is bound to the content in a way that cannot be checked here', excuses: null };
  }
  return null;
}

// ------------------------------------------------------ what is in doubt

/** Ingredients' manifests that are not, byte for byte, what the signature covers. */
function mismatchedIngredients(manifest: Manifest): readonly Finding[] {
  return ingredientsOf(manifest).flatMap((ingredient) => {
    const reference = manifestReference(ingredient);
    if (reference === undefined) return [];
    const box = manifest.parentStore.getManifestByLabel(reference.uri.split('/').at(-1) ?? '')?.sourceBox;
    if (box?.rawContent === undefined) {
      return [{ code: ValidationStatusCode.IngredientManifestMissing, detail: text(ingredient.title) }];
    }
    const found = createHash(reference.algorithm.replace('-', '')).update(box.rawContent).digest();
    return found.equals(reference.hash)
      ? []
      : [{ code: ValidationStatusCode.IngredientManifestMismatch, detail: text(ingredient.title) }];
  });
}

/** Whether each certificate that came along signs the one before it. */
function brokenChain(manifest: Manifest): readonly Finding[] {
  const { certificate, chainCertificates = [] } = manifest.signature?.signatureData ?? {};
  if (!certificate) return [];
  const chain = [certificate, ...chainCertificates].map(({ rawData }) => new X509Certificate(Buffer.from(rawData)));
  const whole = chain.every((link, index) => {
    const issuer = chain[index + 1];
    return issuer === undefined || (link.checkIssued(issuer) && link.verify(issuer.publicKey));
  });
  return whole
    ? []
    : [
        {
          code: ValidationStatusCode.SigningCredentialInvalid,
          detail: 'a certificate is not signed by the next in the chain',
        },
      ];
}

// ---------------------------------------------------------- what it says

function ingredientsOf(manifest: Manifest): readonly IngredientAssertion[] {
  return (manifest.assertions?.assertions ?? []).filter((assertion) => assertion instanceof IngredientAssertion);
}

/** Named `c2pa_manifest` up to version 2 of the assertion, `activeManifest` since. */
function manifestReference({ activeManifest, c2pa_manifest }: IngredientAssertion): HashedURI | undefined {
  return activeManifest ?? c2pa_manifest;
}

function digitalSourceType(manifest: Manifest): string | null {
  const actions = (manifest.assertions?.assertions ?? []).flatMap((assertion) =>
    assertion instanceof ActionAssertion ? assertion.actions : [],
  );
  return text(actions.find((action) => action.digitalSourceType)?.digitalSourceType);
}

/** `Easel` of `CN=Easel, O=Example`; the whole name where there is no common name. */
function commonName(distinguishedName: string): string {
  return /(?:^|, )CN=([^,]+)/.exec(distinguishedName)?.[1] ?? distinguishedName;
}

const MAX_TEXT_LENGTH = 1000;

/** A text out of a file that anyone may have written: its type is not certain, nor its length. */
function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.toWellFormed().slice(0, MAX_TEXT_LENGTH) : null;
}

function toFinding({ code, explanation }: { readonly code: string; readonly explanation?: string }): Finding {
  return { code, detail: text(explanation) };
}
