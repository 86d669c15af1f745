/**
 * Reads and verifies C2PA manifests with c2pa-ts. Importing this loads the library (260 ms, 26 MB), so it is imported when
 * the first manifest is found.
 *
 * The library (0.9.4) supports PNG, JPEG and, as far as tried, AVIF; `webp-asset.ts` adds WebP, and `c2pa-checks.ts` the checks
 * that it leaves out. Not checked: trust lists, revocation, and content bindings other than data hash and BMFF hash.
 */

import { type Asset, BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { type Manifest, ManifestStore, ValidationResult, ValidationStatusCode } from '@trustnxt/c2pa-ts/manifest';
import type { ContentCredentials, Finding } from '../../core/ports/provenance-reader.ts';
import { brokenChain, libraryLimit, mismatchedIngredients } from './c2pa-checks.ts';
import { boundedText, commonName, digitalSourceType, ingredientsOf, manifestReference } from './manifest-fields.ts';
import { isWebp, openWebp } from './webp-asset.ts';

/** The file behind c2pa-ts's `Asset` interface; null for a format that cannot be signed or verified. Raises `Error` for a broken file. */
export function openAsset(bytes: Uint8Array): Asset | null {
  if (PNG.canRead(bytes)) return new PNG(bytes);
  if (JPEG.canRead(bytes)) return new JPEG(bytes);
  if (isWebp(bytes)) return openWebp(bytes);
  return BMFF.canRead(bytes) ? new BMFF(bytes) : null;
}

/** Verifies the manifest in a file that carries one. Never rejects: an unreadable manifest is invalid, and the detail says why. */
export async function readCredentials(bytes: Uint8Array): Promise<ContentCredentials> {
  try {
    const asset = openAsset(bytes);
    if (asset === null) return unreadCredentials('unverified', 'manifests in this format cannot be checked here');
    const jumbf = asset.getManifestJUMBF();
    if (jumbf === undefined) return unreadCredentials('invalid', 'the manifest is damaged, or there is more than one');
    const store = ManifestStore.read(SuperBox.fromBuffer(new Uint8Array(jumbf)));
    const manifest = store.getActiveManifest();
    return manifest
      ? await verifyManifest(manifest, asset)
      : unreadCredentials('invalid', 'the manifest store is empty');
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    const failures = ValidationResult.fromError(cause).statusEntries.map(toFinding);
    const unsupported = failures.some(({ code }) => code === ValidationStatusCode.AlgorithmUnsupported);
    // The message of c2pa-ts for compressed manifests ends in "not supported".
    if (unsupported || cause.message.endsWith('not supported')) {
      return unreadCredentials('unverified', 'the manifest uses an algorithm or a form that is not supported here');
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

async function verifyManifest(manifest: Manifest, asset: Asset): Promise<ContentCredentials> {
  // Must precede validation: c2pa-ts re-encodes boxes while it validates, and these hashes are of the bytes as they came.
  const mismatched = mismatchedIngredients(manifest);
  const { statusEntries } = await manifest.validate(asset);
  const limit = libraryLimit(manifest);
  const libraryFindings = statusEntries
    .filter(({ success, code }) => !success && code !== limit?.falseAlarm)
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
    generator: boundedText([claimGeneratorName, claimGeneratorVersion].filter(Boolean).join('/')),
    digitalSourceType: digitalSourceType(manifest),
    ingredients: ingredientsOf(manifest).map((ingredient) => ({
      title: boundedText(ingredient.title),
      hasManifest: manifestReference(ingredient) !== undefined,
    })),
  };
}

/** `unchecked` says what could not be checked; null where everything was. */
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

function toFinding({ code, explanation }: { readonly code: string; readonly explanation?: string }): Finding {
  return { code, detail: boundedText(explanation) };
}
