import { type DigitalSourceType, digitalSourceTypeOf } from '../domain/digital-source.ts';
import { sha256 as sha256Of, storedNameOf } from '../domain/file-names.ts';
import type { Image, MediaFile, Original } from '../domain/image.ts';
import type { Input } from '../domain/input.ts';
import type { MediaUrls } from '../domain/record.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { ContentCredentials, EmbeddedMetadata, ProvenanceReader } from '../ports/provenance-reader.ts';

/** Whether the stored bytes are those of the record, by their SHA-256: `intact`, `changed`, or `missing`. */
export const INTEGRITIES = ['intact', 'changed', 'missing'] as const;
type Integrity = (typeof INTEGRITIES)[number];

/** One stored file: its integrity, and the metadata embedded in it. `bytes` and `sha256` are those of the record. */
export interface StoredProvenance {
  readonly bytes: number;
  readonly sha256: string;
  readonly integrity: Integrity;
  readonly xmp: EmbeddedMetadata | null;
  readonly c2pa: ContentCredentials | null;
}

/** The provenance of a published file: the master or a rendition. */
export interface FileProvenance extends StoredProvenance {
  readonly url: string;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** True when the file is the original, byte for byte. */
  readonly isOriginal: boolean;
  /** The IPTC digital source type from the file's XMP, else from its C2PA manifest; null where neither has one. */
  readonly digitalSourceType: string | null;
}

/** Where an image comes from: the facts of its record, and the metadata and signatures of its files. */
export interface Provenance {
  readonly mediaId: string;
  /** Null until there is an original. */
  readonly digitalSourceType: DigitalSourceType | null;
  readonly provider: string;
  readonly model: string;
  readonly createdAt: string;
  readonly originalSha256: string | null;
  /** The pictures that the model was given besides the prompt: the caller's in order, the mask, and the references of the preset. */
  readonly inputs: readonly (Input & { readonly role: InputRole })[];
  readonly original: StoredProvenance | null;
  readonly master: FileProvenance | null;
  readonly renditions: readonly FileProvenance[];
}

/** What a picture is to an edit. */
export const INPUT_ROLES = ['input', 'mask', 'reference'] as const;
type InputRole = (typeof INPUT_ROLES)[number];

interface ProvenanceDeps {
  readonly store: Pick<MediaStore, 'read'>;
  readonly reader: ProvenanceReader;
  /** Makes the URLs of files; signed ones where pictures are private. */
  readonly urls: MediaUrls;
}

export type ReadProvenance = (image: Image) => Promise<Provenance>;

/**
 * Reads the provenance of an image from all of its files, one after the other, so that one is in memory at a time.
 * Raises `ImageError` with `storage_unavailable` where the media store cannot be read.
 */
export function createProvenance({ store, reader, urls }: ProvenanceDeps): ReadProvenance {
  async function inspect(file: Pick<MediaFile, 'name' | 'stored' | 'bytes' | 'sha256'>): Promise<StoredProvenance> {
    const { bytes, sha256 } = file;
    const found = await store.read(storedNameOf(file));
    if (found === null) return { bytes, sha256, integrity: 'missing', xmp: null, c2pa: null };
    const integrity = sha256Of(found) === sha256 ? 'intact' : 'changed';
    return { bytes, sha256, integrity, ...(await reader.read(found)) };
  }

  async function describe(file: MediaFile, original: Original | null): Promise<FileProvenance> {
    const stored = await inspect(file);
    const { width, height, format } = file;
    const { url } = urls.ofFile(file);
    const isOriginal = file.sha256 === original?.sha256;
    const digitalSourceType = stored.xmp?.digitalSourceType ?? stored.c2pa?.digitalSourceType ?? null;
    return { url, width, height, format, isOriginal, digitalSourceType, ...stored };
  }

  return async (image) => {
    const original = image.original && (await inspect(image.original));
    const master = image.master && (await describe(image.master, image.original));
    const renditions: FileProvenance[] = [];
    for (const file of image.renditions) renditions.push(await describe(file, image.original));
    return {
      mediaId: image.mediaId,
      digitalSourceType: image.original && digitalSourceTypeOf(image.original),
      provider: image.provider,
      model: image.model,
      createdAt: image.createdAt,
      originalSha256: image.original?.sha256 ?? null,
      inputs: rolesOf(image.request),
      original,
      master,
      renditions,
    };
  };
}

function rolesOf({ inputs = [], mask, references = [] }: ImageRequest): Provenance['inputs'] {
  const inRole = (role: InputRole) => (input: Input) => ({ ...input, role });
  return [
    ...inputs.map(inRole('input')),
    ...(mask ? [mask] : []).map(inRole('mask')),
    ...references.map(inRole('reference')),
  ];
}
