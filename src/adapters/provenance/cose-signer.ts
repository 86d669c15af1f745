import {
  constants,
  type KeyObject,
  type X509Certificate as NodeCertificate,
  type SigningOptions,
  sign,
} from 'node:crypto';
import { promisify } from 'node:util';
import { X509Certificate } from '@peculiar/x509';
import { CoseAlgorithmIdentifier, type Signer } from '@trustnxt/c2pa-ts/cose';

/** A private key and its certificate chain: first the key's own certificate, then each one's issuer. */
export interface SigningIdentity {
  readonly chain: readonly [NodeCertificate, ...NodeCertificate[]];
  readonly key: KeyObject;
}

/**
 * Makes a signer of C2PA claims; the key's type decides the algorithm. Replaces the signer of c2pa-ts (0.9.4), whose ECDSA
 * signatures the reference implementation rejects: they are DER, where COSE requires r and s concatenated (RFC 9053, 2.1).
 * P-521 is not supported, since c2pa-ts verifies it with the wrong hash. Raises `Error` for a key of another type.
 */
export function coseSigner({ chain, key }: SigningIdentity): Signer {
  const [certificate, ...chainCertificates] = chain.map(({ raw }) => new X509Certificate(new Uint8Array(raw)));
  if (!certificate) throw new Error('there is no certificate');
  const { algorithm, hash, options } = algorithmFor(key);
  return {
    certificate,
    chainCertificates,
    algorithm,
    sign: async (payload) => new Uint8Array(await signBytes(hash, payload, { key, ...options })),
  };
}

const signBytes = promisify(sign);

interface SigningAlgorithm {
  readonly algorithm: CoseAlgorithmIdentifier;
  readonly hash: string | null;
  readonly options: SigningOptions;
}

const P1363: SigningOptions = { dsaEncoding: 'ieee-p1363' };
const PSS_SHA256: SigningOptions = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

function algorithmFor(key: KeyObject): SigningAlgorithm {
  const type = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
  switch (type) {
    case 'prime256v1':
      return { algorithm: CoseAlgorithmIdentifier.ES256, hash: 'sha256', options: P1363 };
    case 'secp384r1':
      return { algorithm: CoseAlgorithmIdentifier.ES384, hash: 'sha384', options: P1363 };
    case 'rsa':
    case 'rsa-pss':
      return { algorithm: CoseAlgorithmIdentifier.PS256, hash: 'sha256', options: PSS_SHA256 };
    case 'ed25519':
      return { algorithm: CoseAlgorithmIdentifier.Ed25519, hash: null, options: {} };
    default:
      throw new Error(`keys of the type ${type} cannot sign C2PA claims; use P-256, P-384, Ed25519 or RSA`);
  }
}
