import type sharp from 'sharp';
import type { EmbeddedMetadata, ProvenanceReader } from '../../core/ports/provenance-reader.ts';
import { readXmp } from './xmp.ts';

export type Sharp = typeof sharp;

interface ProvenanceReaderParts {
  /** Called for each picture. */
  readonly loadSharp: () => Promise<Sharp>;
}

/**
 * Reads XMP with sharp and C2PA manifests with c2pa-ts. Both are loaded late: sharp with the first picture, c2pa-ts with the first
 * manifest.
 */
export function createProvenanceReader({ loadSharp }: ProvenanceReaderParts): ProvenanceReader {
  return {
    async read(bytes) {
      const [xmp, c2pa] = await Promise.all([readMetadata(await loadSharp(), bytes), readManifest(bytes)]);
      return { xmp, c2pa };
    },
  };
}

/**
 * True for a file that carries a C2PA manifest store, intact or damaged: in every format it begins with a description box
 * (`jumd`) whose type begins with `c2pa` (C2PA 2.1, 11.1). These eight bytes do not occur in a picture by chance.
 */
export function carriesManifest(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('jumdc2pa', 0, 'latin1');
}

async function readMetadata(sharp: Sharp, bytes: Uint8Array): Promise<EmbeddedMetadata | null> {
  // No pixel limit: only the header is read.
  const header = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => null);
  return header?.xmp ? readXmp(header.xmp.toString('utf8')) : null;
}

async function readManifest(bytes: Uint8Array) {
  if (!carriesManifest(bytes)) return null;
  const { readCredentials } = await import('./c2pa-reader.ts');
  return await readCredentials(bytes);
}
