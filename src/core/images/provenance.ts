import { createHash } from 'node:crypto';
import { type Image, type MediaFile, TRAINED_ALGORITHMIC_MEDIA } from '../domain/image.ts';
import type { MediaUrls } from '../domain/record.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { ContentCredentials, EmbeddedMetadata, ProvenanceReader } from '../ports/provenance-reader.ts';

export interface ProvenanceDeps {
  readonly store: MediaStore;
  readonly provenance: ProvenanceReader;
  /** Where pictures are, for those who may fetch them. */
  readonly urls: MediaUrls;
}

type ReadingDeps = Omit<ProvenanceDeps, 'store'> & { readonly store: Pick<MediaStore, 'read'> };

/** Whether the stored bytes are those of the record: `intact`, `changed`, or `missing`. */
export const INTEGRITIES = ['intact', 'changed', 'missing'] as const;
export type Integrity = (typeof INTEGRITIES)[number];

/** One stored file: whether it is what the record says, and what it says itself. */
export interface StoredProvenance {
  readonly bytes: number;
  readonly sha256: string;
  readonly integrity: Integrity;
  readonly xmp: EmbeddedMetadata | null;
  readonly c2pa: ContentCredentials | null;
}

export interface FileProvenance extends StoredProvenance {
  readonly url: string;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** Whether it is the original, byte for byte. */
  readonly isOriginal: boolean;
  /** What the file itself says, by its XMP or else its manifest; null where it says nothing. */
  readonly digitalSourceType: string | null;
}

/** Where an image comes from: what its record knows, and what its files say and prove. */
export interface Provenance {
  readonly mediaId: string;
  readonly digitalSourceType: typeof TRAINED_ALGORITHMIC_MEDIA;
  readonly provider: string;
  readonly model: string;
  readonly createdAt: string;
  readonly originalSha256: string | null;
  readonly original: StoredProvenance | null;
  readonly master: FileProvenance | null;
  readonly renditions: readonly FileProvenance[];
}

/** Reads every file of the image, one after the other. Raises `ImageError` where the storage cannot be read. */
export async function readProvenance(deps: ReadingDeps, image: Image): Promise<Provenance> {
  const original = image.original && (await inspect(deps, image.original));
  const describe = async (file: MediaFile): Promise<FileProvenance> => {
    const isOriginal = file.sha256 === image.original?.sha256;
    const stored = await inspect(deps, file);
    const { width, height, format } = file;
    const { url } = deps.urls(file);
    const digitalSourceType = stored.xmp?.digitalSourceType ?? stored.c2pa?.digitalSourceType ?? null;
    return { url, width, height, format, isOriginal, digitalSourceType, ...stored };
  };
  const master = image.master && (await describe(image.master));
  const renditions: FileProvenance[] = [];
  for (const file of image.renditions) renditions.push(await describe(file));
  return {
    mediaId: image.mediaId,
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    provider: image.provider,
    model: image.model,
    createdAt: image.createdAt,
    originalSha256: image.original?.sha256 ?? null,
    original,
    master,
    renditions,
  };
}

async function inspect(
  { store, provenance }: ReadingDeps,
  { name, bytes, sha256 }: { readonly name: string; readonly bytes: number; readonly sha256: string },
): Promise<StoredProvenance> {
  const found = await store.read(name);
  if (found === null) return { bytes, sha256, integrity: 'missing', xmp: null, c2pa: null };
  const integrity = createHash('sha256').update(found).digest('hex') === sha256 ? 'intact' : 'changed';
  return { bytes, sha256, integrity, ...(await provenance.read(found)) };
}
