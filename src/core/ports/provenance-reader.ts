/** What a file's XMP says of its origin. Null where it says nothing. */
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

export interface Finding {
  /** A C2PA status code, such as `assertion.dataHash.mismatch`. */
  readonly code: string;
  readonly detail: string | null;
}

export const CREDENTIAL_VERDICTS = ['valid', 'invalid', 'unverified'] as const;

/** A file's C2PA manifest, and what checking it brought. */
export interface ContentCredentials {
  /**
   * `valid`: the signature, every assertion and the file's content fit together. `invalid`: something does not, or cannot
   * be read. `unverified`: nothing is known to be wrong, but not all of it could be checked.
   */
  readonly verdict: (typeof CREDENTIAL_VERDICTS)[number];
  /** The verdict in a sentence. */
  readonly detail: string;
  /** What speaks against it. */
  readonly failures: readonly Finding[];
  /** Whom the certificate names. No list of trusted signers is consulted. */
  readonly signer: { readonly name: string; readonly issuer: string; readonly validUntil: string } | null;
  /** ISO 8601, UTC, by a time stamp that verified; null without one. */
  readonly signedAt: string | null;
  /** The software that wrote the claim. */
  readonly generator: string | null;
  readonly digitalSourceType: string | null;
  /** What the file was made from, with whether its manifest came along. */
  readonly ingredients: readonly { readonly title: string | null; readonly hasManifest: boolean }[];
}

/** What a file says about where it comes from. */
export interface EmbeddedProvenance {
  readonly xmp: EmbeddedMetadata | null;
  readonly c2pa: ContentCredentials | null;
}

export interface ProvenanceReader {
  /** Reads any bytes whatever: what cannot be read counts as not there, or as an invalid manifest. */
  read(bytes: Uint8Array): Promise<EmbeddedProvenance>;
}
