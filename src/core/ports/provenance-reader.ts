/** Reads what a file says about its origin: its XMP metadata and its C2PA manifest. */
export interface ProvenanceReader {
  /** Reads any bytes and never rejects for their content: unreadable XMP counts as absent, an unreadable manifest as invalid. */
  read(bytes: Uint8Array): Promise<EmbeddedProvenance>;
}

/** What a file says about its origin; null for a kind of metadata that it does not have. */
interface EmbeddedProvenance {
  readonly xmp: EmbeddedMetadata | null;
  readonly c2pa: ContentCredentials | null;
}

/** The statements of a file's XMP; null for those that it does not make. */
export interface EmbeddedMetadata {
  /** An IPTC NewsCode. */
  readonly digitalSourceType: string | null;
  readonly model: string | null;
  readonly provider: string | null;
  readonly createdAt: string | null;
  readonly mediaId: string | null;
  readonly originalSha256: string | null;
  readonly prompt: string | null;
}

/**
 * `valid`: the signature, every assertion and the content of the file match. `invalid`: something does not match or cannot be read.
 * `unverified`: no fault was found, but not everything could be checked.
 */
export const CREDENTIAL_VERDICTS = ['valid', 'invalid', 'unverified'] as const;

/** A file's C2PA manifest, and the result of checking it. */
export interface ContentCredentials {
  readonly verdict: (typeof CREDENTIAL_VERDICTS)[number];
  /** The verdict in a sentence. */
  readonly detail: string;
  /** The failed checks. */
  readonly failures: readonly Finding[];
  /** The holder of the certificate. No list of trusted signers is consulted. */
  readonly signer: { readonly name: string; readonly issuer: string; readonly validUntil: string } | null;
  /** ISO 8601, UTC, from a verified time stamp; null without one. */
  readonly signedAt: string | null;
  /** The software that wrote the claim. */
  readonly generator: string | null;
  readonly digitalSourceType: string | null;
  /** The files that this one was made from, and whether their manifests are included. */
  readonly ingredients: readonly { readonly title: string | null; readonly hasManifest: boolean }[];
}

/** One failed check. */
export interface Finding {
  /** A C2PA status code, such as `assertion.dataHash.mismatch`. */
  readonly code: string;
  readonly detail: string | null;
}
