import { randomUUID } from 'node:crypto';
import { BMFF } from '@trustnxt/c2pa-ts/asset';
import type { Signer } from '@trustnxt/c2pa-ts/cose';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import {
  ActionAssertion,
  ActionType,
  BMFFHashAssertion,
  ClaimVersion,
  DataHashAssertion,
  type DigitalSourceType,
  IngredientAssertion,
  ManifestStore,
  RelationshipType,
} from '@trustnxt/c2pa-ts/manifest';
import { openAsset } from './c2pa-reader.ts';
import type { ParentManifest } from './parent-manifest.ts';

/** A picture that another one was made from. */
interface Ingredient {
  readonly title: string;
  /** Media type. */
  readonly format: string;
  /** In hex. */
  readonly sha256: string;
  readonly description: string;
}

/** What a manifest says, and who signs it. */
export interface ManifestSpec {
  readonly signer: Signer;
  readonly generator: { readonly name: string; readonly version: string };
  /** The original that the file was made from. */
  readonly ingredient: Ingredient & {
    /** Null for an original without a manifest. */
    readonly parent: ParentManifest | null;
  };
  /** What the model made the original from, besides the prompt. */
  readonly inputs: readonly Ingredient[];
  /** What the original is, as an IPTC NewsCode. */
  readonly digitalSourceType: string;
  /** What was done to the original, in order. */
  readonly edits: readonly ActionType[];
}

/**
 * The file with a new, signed manifest; the parent's manifests precede it in the store. Rejects with an `Error` for a format
 * that cannot carry a manifest and for a broken file.
 */
export async function embedManifest(
  file: Uint8Array,
  { signer, generator, ingredient, inputs, digitalSourceType, edits }: ManifestSpec,
): Promise<Uint8Array> {
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

  // The ingredient comes first: creating a reference hashes the assertion as it is then.
  const original = parentAssertion(ingredient);
  manifest.addAssertion(original);
  for (const [index, input] of inputs.entries()) {
    const assertion = ingredientAssertion(input, RelationshipType.InputTo);
    // Assertions with one label are told apart by a number (C2PA 2.2, section 6.4).
    assertion.labelSuffix = index + 1;
    manifest.addAssertion(assertion);
  }
  const actions = new ActionAssertion();
  actions.actions = [
    {
      action: ActionType.C2paOpened,
      // The enum of c2pa-ts has the NewsCodes as its values.
      digitalSourceType: digitalSourceType as DigitalSourceType,
      softwareAgent: generator,
      parameters: { ingredients: [manifest.createAssertionReference(original)] },
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

/**
 * Padding bytes that make room for the signature: signing shortens the padding by the signature's length. What is left stays
 * above 255 bytes, so that CBOR's length header, and with it the manifest's measured size, does not change.
 */
const SIGNATURE_PADDING = 2048;

function ingredientAssertion({ title, format, sha256, description }: Ingredient, relationship: RelationshipType) {
  const assertion = IngredientAssertion.createV3(relationship);
  assertion.title = title;
  assertion.format = format;
  assertion.description = description;
  assertion.instanceID = `sha256:${sha256}`;
  return assertion;
}

function parentAssertion(ingredient: ManifestSpec['ingredient']) {
  const { parent } = ingredient;
  const assertion = ingredientAssertion(ingredient, RelationshipType.ParentOf);
  if (parent) {
    const uri = `self#jumbf=/c2pa/${parent.label}`;
    const algorithm = 'SHA-256';
    // Not c2pa-ts's own references: they hash the signature's box as c2pa-ts would encode it, not as it was signed.
    assertion.activeManifest = { uri, hash: parent.manifestHash, algorithm };
    assertion.claimSignature = { uri: `${uri}/c2pa.signature`, hash: parent.signatureHash, algorithm };
    assertion.validationResults = parent.results;
  }
  return assertion;
}
