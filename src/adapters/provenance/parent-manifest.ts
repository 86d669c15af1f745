import { createHash } from 'node:crypto';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { type IngredientAssertion, ManifestStore, ValidationStatusCode } from '@trustnxt/c2pa-ts/manifest';
import { openAsset } from './c2pa-reader.ts';
import { carriesManifest } from './reader.ts';

/** The original's manifest store, and what an ingredient assertion needs in order to refer to it. */
export interface ParentManifest {
  /** The whole store, byte for byte. */
  readonly jumbf: Uint8Array<ArrayBuffer>;
  /** Of the active manifest. */
  readonly label: string;
  /** SHA-256 of the active manifest's box. */
  readonly manifestHash: Uint8Array;
  /** SHA-256 of its signature's box. */
  readonly signatureHash: Uint8Array;
  /** What validating the active manifest found. */
  readonly results: NonNullable<IngredientAssertion['validationResults']>;
}

/**
 * Reads and validates the manifest store of an original. Null where it has none, or one that c2pa-ts would not write back
 * byte for byte, which would break its signature. Rejects for a store that cannot be parsed.
 */
export async function readParentManifest(original: Uint8Array): Promise<ParentManifest | null> {
  if (!carriesManifest(original)) return null;
  const asset = openAsset(original);
  const found = asset?.getManifestJUMBF();
  if (!asset || !found) return null;
  const jumbf = new Uint8Array(found);
  if (!Buffer.from(jumbf).equals(SuperBox.fromBuffer(jumbf).toBuffer(false))) return null;

  const store = ManifestStore.read(SuperBox.fromBuffer(jumbf));
  const active = store.getActiveManifest();
  const manifestBytes = active?.sourceBox?.rawContent;
  const signatureBytes = active?.signature?.sourceBox?.rawContent;
  if (active?.label === undefined || !manifestBytes || !signatureBytes) return null;
  // Hashed before validation, which rewrites boxes.
  const manifestHash = sha256(manifestBytes);
  const signatureHash = sha256(signatureBytes);

  const { statusEntries } = await store.validate(asset);
  const results = statusEntries
    // c2pa-ts reports this for any well-formed certificate, without a trust list.
    .filter(({ code }) => code !== ValidationStatusCode.SigningCredentialTrusted)
    .map(({ code, url, success }) => ({ success, entry: { code, ...(url === undefined ? {} : { url }) } }));
  return {
    jumbf,
    label: active.label,
    manifestHash,
    signatureHash,
    results: {
      activeManifest: {
        success: results.filter(({ success }) => success).map(({ entry }) => entry),
        informational: [],
        failure: results.filter(({ success }) => !success).map(({ entry }) => entry),
      },
    },
  };
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
