/**
 * Signing what Easel encodes, with c2pa-ts. Importing this loads the library (see `c2pa-reader.ts`), so it is imported
 * only where signing is configured.
 */

import { createHash, randomUUID } from 'node:crypto';
import { BMFF } from '@trustnxt/c2pa-ts/asset';
import type { Signer } from '@trustnxt/c2pa-ts/cose';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import {
  ActionAssertion,
  ActionType,
  BMFFHashAssertion,
  ClaimVersion,
  DataHashAssertion,
  DigitalSourceType,
  IngredientAssertion,
  ManifestStore,
  RelationshipType,
  ValidationStatusCode,
} from '@trustnxt/c2pa-ts/manifest';
import { type Crop, formatSize, type Size } from '../../core/domain/geometry.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { FinishedFile, FinishSpec } from '../../core/ports/imaging.ts';
import { openAsset, readCredentials } from './c2pa-reader.ts';
import { coseSigner, type SigningIdentity } from './cose-signer.ts';
import { carriesManifest } from './xmp.ts';

export interface SignerOptions {
  readonly identity: SigningIdentity;
  /** What the claims name as the software that wrote them. */
  readonly generator: { readonly name: string; readonly version: string };
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Signs the files that are made from one original after the other. */
export interface FileSigner {
  signerFor(
    original: Uint8Array,
    picture: Size & { readonly format: string },
    order: FinishSpec,
  ): Promise<PictureSigner>;
}

/** Signs the files that are made from one original. Nothing here rejects: a picture is worth more than its signature. */
export interface PictureSigner {
  /** The file with a manifest that names the original as its parent; the file as it is, and a warning, where that fails. */
  sign(file: FinishedFile, crop: Crop): Promise<FinishedFile>;
  readonly warnings: readonly Warning[];
}

/**
 * Makes a signer, and has it sign a small picture first: resolves only where that verifies.
 * Rejects with an `Error` that says what is wrong with the key or the certificate.
 */
export async function createFileSigner(options: SignerOptions): Promise<FileSigner> {
  const signer = coseSigner(options.identity);
  const trial = await embed(TRIAL_PNG, {
    signer,
    generator: options.generator,
    ingredient: { title: 'a trial', format: 'image/png', sha256: '', description: 'a trial', parent: null },
    edits: [],
  });
  const { verdict, failures } = await readCredentials(trial);
  if (verdict !== 'valid') throw new Error(describeTrialFailure(failures.map(({ code }) => code)));
  return { signerFor: (original, picture, order) => createPictureSigner(original, picture, order, signer, options) };
}

/** One black pixel. */
const TRIAL_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);

function describeTrialFailure(codes: readonly string[]): string {
  if (codes.includes(ValidationStatusCode.SigningCredentialInvalid)) {
    return (
      'the certificate is none that C2PA allows for signing: X.509 v3, issued by another certificate, in order up the ' +
      'chain, with an authority key identifier, the critical key usage digitalSignature and the extended key usage ' +
      'emailProtection or documentSigning; each issuer with a critical key usage and a subject key identifier'
    );
  }
  return `a file signed with it does not verify: ${codes.join(', ')}`;
}

// ---------------------------------------------------------- one original

/** The original's manifest store, and what a reference to it needs. */
interface Parent {
  readonly jumbf: Uint8Array<ArrayBuffer>;
  readonly label: string;
  readonly manifestHash: Uint8Array;
  readonly signatureHash: Uint8Array;
  readonly results: NonNullable<IngredientAssertion['validationResults']>;
}

async function createPictureSigner(
  original: Uint8Array,
  picture: Size & { readonly format: string },
  { provenance }: FinishSpec,
  signer: Signer,
  { identity, generator, now }: SignerOptions,
): Promise<PictureSigner> {
  const warnings = new Map<string, Warning>();
  const warn = (code: string, detail: string) => void warnings.set(detail, { code, detail });

  const parent = await readParent(original).catch(() => null);
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

  return {
    async sign(file, crop) {
      const { bytes } = file;
      if (bytes === null) return file;
      const { validTo, validToDate } = identity.chain[0];
      if (now() > validToDate.getTime()) {
        warn('not_signed', `files are not signed: the certificate of C2PA_CERT expired on ${validTo}`);
        return file;
      }
      try {
        return {
          ...file,
          bytes: await embed(bytes, { signer, generator, ingredient, edits: editsOf(picture, crop, file) }),
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

/** Null where the original has no manifest, or one that would not come out of the library as it went in. */
async function readParent(original: Uint8Array): Promise<Parent | null> {
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
  const manifestHash = sha256(manifestBytes);
  const signatureHash = sha256(signatureBytes);

  const { statusEntries } = await store.validate(asset);
  const results = statusEntries
    // Said by the library of any well-formed certificate; nobody has asked a list of trusted signers.
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

function editsOf(picture: Size & { readonly format: string }, crop: Crop, file: FinishedFile): readonly ActionType[] {
  const edits: ActionType[] = [];
  if (formatSize(crop) !== formatSize(picture)) edits.push(ActionType.C2paCropped);
  if (formatSize(crop) !== formatSize(file)) edits.push(ActionType.C2paResized);
  if (file.format !== picture.format) edits.push(ActionType.C2paConverted);
  return edits;
}

// -------------------------------------------------------------- one file

interface Embedding {
  readonly signer: Signer;
  readonly generator: SignerOptions['generator'];
  readonly ingredient: {
    readonly title: string;
    readonly format: string;
    readonly sha256: string;
    readonly description: string;
    readonly parent: Parent | null;
  };
  readonly edits: readonly ActionType[];
}

/** Longer than any signature here by more than CBOR's short lengths, so that taking from it never shortens its header. */
const SIGNATURE_PADDING = 2048;

/** The file with a new, signed manifest, and with its parent's before it. */
async function embed(file: Uint8Array, { signer, generator, ingredient, edits }: Embedding): Promise<Uint8Array> {
  const asset = openAsset(file);
  if (asset === null) throw new Error('manifests cannot be written in this format');
  const { parent } = ingredient;
  const store = parent ? ManifestStore.read(SuperBox.fromBuffer(parent.jumbf)) : new ManifestStore();
  const manifest = store.createManifest({
    claimVersion: ClaimVersion.V2,
    assetFormat: asset.mimeType,
    instanceID: `xmp:iid:${randomUUID()}`,
    defaultHashAlgorithm: 'SHA-256',
    signer,
  });
  if (!manifest.claim || !manifest.signature) throw new Error('c2pa-ts made a manifest without claim or signature');
  manifest.claim.claimGeneratorName = generator.name;
  manifest.claim.claimGeneratorVersion = generator.version;
  manifest.signature.signatureData.paddingLength = SIGNATURE_PADDING;

  // The order matters: references are hashed in the order in which they are made.
  const made = ingredientAssertion(ingredient);
  manifest.addAssertion(made);
  const actions = new ActionAssertion();
  const digitalSourceType = DigitalSourceType.TrainedAlgorithmicMedia;
  actions.actions = [
    {
      action: ActionType.C2paOpened,
      digitalSourceType,
      softwareAgent: generator,
      parameters: { ingredients: [manifest.createAssertionReference(made)] },
    },
    ...edits.map((action) => ({ action, softwareAgent: generator })),
  ];
  manifest.addAssertion(actions);
  const binding =
    asset instanceof BMFF
      ? BMFFHashAssertion.createV3('jumbf manifest', 'SHA-256')
      : Object.assign(DataHashAssertion.create('SHA-256'), { name: 'jumbf manifest' });
  manifest.addAssertion(binding);

  await asset.ensureManifestSpace(store.measureSize());
  await binding.updateWithAsset(asset);
  await manifest.sign(signer);
  await asset.writeManifestJUMBF(store.getBytes());
  return await asset.getDataRange();
}

function ingredientAssertion({ title, format, sha256, description, parent }: Embedding['ingredient']) {
  const assertion = IngredientAssertion.createV3(RelationshipType.ParentOf);
  assertion.title = title;
  assertion.format = format;
  assertion.description = description;
  assertion.instanceID = `sha256:${sha256}`;
  if (parent) {
    const uri = `self#jumbf=/c2pa/${parent.label}`;
    const algorithm = 'SHA-256';
    // Not by the library's own references: it would hash the signature's box as it would write it itself.
    assertion.activeManifest = { uri, hash: parent.manifestHash, algorithm };
    assertion.claimSignature = { uri: `${uri}/c2pa.signature`, hash: parent.signatureHash, algorithm };
    assertion.validationResults = parent.results;
  }
  return assertion;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
