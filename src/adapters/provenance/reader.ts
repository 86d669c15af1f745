import sharp from 'sharp';
import type { EmbeddedMetadata, ProvenanceReader } from '../../core/ports/provenance-reader.ts';
import { carriesManifest, readXmp } from './xmp.ts';

/** Reads XMP by sharp and C2PA manifests by c2pa-ts, which is loaded when the first manifest turns up. */
export function createProvenanceReader(): ProvenanceReader {
  return {
    async read(bytes) {
      const [xmp, c2pa] = await Promise.all([readMetadata(bytes), readManifest(bytes)]);
      return { xmp, c2pa };
    },
  };
}

async function readMetadata(bytes: Uint8Array): Promise<EmbeddedMetadata | null> {
  // No pixel is decoded here, so none has to be refused.
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
