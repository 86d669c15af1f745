import { createHash, X509Certificate } from 'node:crypto';
import { CoseAlgorithmIdentifier } from '@trustnxt/c2pa-ts/cose';
import { type Manifest, ValidationStatusCode } from '@trustnxt/c2pa-ts/manifest';
import type { Finding } from '../../core/ports/provenance-reader.ts';
import { boundedText, ingredientsOf, manifestReference } from './manifest-fields.ts';

/**
 * Ingredients whose manifests are missing or differ from the hash in the signed ingredient assertion; c2pa-ts does not
 * compare them. Call before `Manifest.validate`, which re-encodes boxes.
 */
export function mismatchedIngredients(manifest: Manifest): readonly Finding[] {
  return ingredientsOf(manifest).flatMap((ingredient) => {
    const reference = manifestReference(ingredient);
    if (reference === undefined) return [];
    const box = manifest.parentStore.getManifestByLabel(reference.uri.split('/').at(-1) ?? '')?.sourceBox;
    if (box?.rawContent === undefined) {
      return [{ code: ValidationStatusCode.IngredientManifestMissing, detail: boundedText(ingredient.title) }];
    }
    const found = createHash(reference.algorithm.replace('-', '')).update(box.rawContent).digest();
    return found.equals(reference.hash)
      ? []
      : [{ code: ValidationStatusCode.IngredientManifestMismatch, detail: boundedText(ingredient.title) }];
  });
}

/** A finding where a certificate of the chain is not signed by the next one; c2pa-ts does not verify the chain. */
export function brokenChain(manifest: Manifest): readonly Finding[] {
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

/**
 * What c2pa-ts cannot check about this manifest; null where it checks everything. `falseAlarm` is the failure that c2pa-ts reports
 * only because of this limit, if any.
 */
export function libraryLimit(
  manifest: Manifest,
): { readonly detail: string; readonly falseAlarm: ValidationStatusCode | null } | null {
  // c2pa-ts 0.9.4 verifies ES512 with SHA-256, so every such signature mismatches.
  if (manifest.signature?.signatureData.algorithm?.coseIdentifier === CoseAlgorithmIdentifier.ES512) {
    return {
      detail: 'signatures by ES512 cannot be checked here',
      falseAlarm: ValidationStatusCode.ClaimSignatureMismatch,
    };
  }
  const bindings = manifest.assertions?.getHardBindings() ?? [];
  if (bindings.some(({ label = '' }) => !CHECKED_BINDINGS.has(label))) {
    return { detail: 'the manifest is bound to the content in a way that cannot be checked here', falseAlarm: null };
  }
  return null;
}

/** Content bindings that c2pa-ts verifies; others it only lists. */
const CHECKED_BINDINGS: ReadonlySet<string> = new Set(['c2pa.hash.data', 'c2pa.hash.bmff.v2', 'c2pa.hash.bmff.v3']);
