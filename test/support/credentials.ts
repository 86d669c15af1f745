/**
 * Certificates and C2PA manifests for tests, made on demand.
 *
 *     const { chain, key } = await signingIdentity();
 *     const original = await withManifest(await texturedPicture({ width: 640, height: 360 }));
 *
 * `referenceFailures` validates a file's manifest with the reference implementation (c2pa-rs, as WebAssembly from npm).
 */

import { KeyObject, X509Certificate as NodeCertificate, randomUUID, sign, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { initSync, WasmReader } from '@contentauth/c2pa-wasm';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { CoseAlgorithmIdentifier, type Signer } from '@trustnxt/c2pa-ts/cose';
import {
  ActionAssertion,
  ActionType,
  ClaimVersion,
  DataHashAssertion,
  DigitalSourceType,
  ManifestStore,
} from '@trustnxt/c2pa-ts/manifest';
import { openWebp } from '../../src/adapters/provenance/webp-asset.ts';

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'Ed25519';

export interface IdentityOptions {
  readonly kind?: KeyKind;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Extended key usages of the signer's certificate; `emailProtection`, which C2PA accepts, by default. */
  readonly usages?: readonly string[];
}

export interface TestIdentity {
  /** The signer's certificate, then its issuer's. */
  readonly chain: readonly [NodeCertificate, NodeCertificate];
  readonly key: KeyObject;
  /** The chain and the key in PEM, as in the files that C2PA_CERT and C2PA_KEY name. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

type KeyAlgorithm = webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | { readonly name: 'Ed25519' };

const ALGORITHMS: Readonly<Record<KeyKind, KeyAlgorithm>> = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  'P-521': { name: 'ECDSA', namedCurve: 'P-521' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  Ed25519: { name: 'Ed25519' },
};

const DAY_MS = 86_400_000;

/** A key with a certificate from an authority of its own; valid from yesterday for ten days by default. */
export async function signingIdentity(options: IdentityOptions = {}): Promise<TestIdentity> {
  const { kind = 'P-256', usages = [ExtendedKeyUsage.emailProtection] } = options;
  const { notBefore = new Date(Date.now() - DAY_MS), notAfter = new Date(Date.now() + 10 * DAY_MS) } = options;
  const authority = await newKeys('P-256');
  const keys = await newKeys(kind);
  const validity = { notBefore, notAfter };
  const issuer = 'CN=Easel Test Authority, O=Example';
  const root = await X509CertificateGenerator.create({
    ...validity,
    subject: issuer,
    issuer,
    publicKey: authority.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const leaf = await X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=Example Newsroom, O=Example',
    issuer,
    publicKey: keys.publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([...usages]),
      await AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const chain = [toNode(leaf), toNode(root)] as const;
  const key = KeyObject.from(keys.privateKey);
  return {
    chain,
    key,
    certificatePem: chain.map(String).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' };

async function newKeys(kind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHMS[kind], true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

function toNode({ rawData }: X509Certificate): NodeCertificate {
  return new NodeCertificate(Buffer.from(rawData));
}

/** The PNG, JPEG or WebP with a signed manifest that says it was made by a trained model, as a model API would send it. */
export async function withManifest(picture: Uint8Array, identity?: TestIdentity): Promise<Buffer> {
  const { chain, key } = identity ?? (await signingIdentity());
  const [certificate, ...chainCertificates] = chain.map(({ raw }) => new X509Certificate(new Uint8Array(raw)));
  if (!certificate) throw new Error('there is no certificate');
  const signer: Signer = {
    certificate,
    chainCertificates,
    algorithm: CoseAlgorithmIdentifier.ES256,
    // The library's own signer writes DER, which COSE does not allow.
    sign: async (payload) => new Uint8Array(sign('sha256', payload, { key, dsaEncoding: 'ieee-p1363' })),
  };
  const asset = PNG.canRead(picture) ? new PNG(picture) : JPEG.canRead(picture) ? new JPEG(picture) : openWebp(picture);

  const store = new ManifestStore();
  const manifest = store.createManifest({
    claimVersion: ClaimVersion.V2,
    assetFormat: asset.mimeType,
    instanceID: `xmp:iid:${randomUUID()}`,
    defaultHashAlgorithm: 'SHA-256',
    signer,
  });
  const actions = new ActionAssertion();
  actions.actions = [{ action: ActionType.C2paCreated, digitalSourceType: DigitalSourceType.TrainedAlgorithmicMedia }];
  manifest.addAssertion(actions);
  const binding = DataHashAssertion.create('SHA-256');
  manifest.addAssertion(binding);
  await asset.ensureManifestSpace(store.measureSize());
  await binding.updateWithAsset(asset);
  await manifest.sign(signer);
  await asset.writeManifestJUMBF(store.getBytes());
  return Buffer.from(await asset.getDataRange());
}

interface ReferenceReport {
  readonly validation_status?: readonly { readonly code: string }[];
}

let loaded = false;

/**
 * The C2PA status codes of what c2pa-rs finds wrong with the manifest in a file and with those of its ingredients.
 * `signingCredential.untrusted` is left out: a test's authority is on no list of trusted signers. Rejects where there is no manifest.
 */
export async function referenceFailures(bytes: Uint8Array, format: string): Promise<readonly string[]> {
  if (!loaded) {
    const module = createRequire(import.meta.url).resolve('@contentauth/c2pa-wasm/c2pa.wasm');
    initSync({ module: readFileSync(module) });
    loaded = true;
  }
  const reader = await WasmReader.fromBytes(`image/${format}`, new Uint8Array(bytes));
  const { validation_status = [] } = JSON.parse(reader.json()) as ReferenceReport;
  return validation_status.map(({ code }) => code).filter((code) => code !== 'signingCredential.untrusted');
}
