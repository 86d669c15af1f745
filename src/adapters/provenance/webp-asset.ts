import type { Asset } from '@trustnxt/c2pa-ts/asset';

const RIFF_HEADER = 12;
const CHUNK_HEADER = 8;

interface Chunk {
  readonly type: string;
  readonly offset: number;
  /** Of its content, without header and padding. */
  readonly length: number;
}

/**
 * A WebP file as c2pa-ts takes files; the library has none of its own. The manifest store is the RIFF chunk `C2PA`
 * (C2PA 2.1, annex A); a new one is written as the last chunk. Raises `Error` for chunks that do not fit the file.
 */
export function openWebp(bytes: Uint8Array): Asset {
  let file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let manifest = onlyManifest(readChunks(file));

  const content = () => {
    if (manifest === null) throw new Error('the WebP file has no C2PA chunk');
    return file.subarray(manifest.offset + CHUNK_HEADER, manifest.offset + CHUNK_HEADER + manifest.length);
  };

  return {
    mimeType: 'image/webp',
    dumpInfo: () =>
      readChunks(file)
        .map(({ type, length }) => `${type} ${length}`)
        .join('\n'),
    getDataLength: () => file.length,
    getDataRange: async (start = 0, length = file.length) => file.subarray(start, start + length),
    getManifestJUMBF: () => (manifest === null ? undefined : new Uint8Array(content())),

    async ensureManifestSpace(length) {
      const kept = readChunks(file)
        .filter(({ type }) => type !== 'C2PA')
        .map((chunk) => file.subarray(chunk.offset, chunk.offset + CHUNK_HEADER + padded(chunk.length)));
      const space = Buffer.alloc(CHUNK_HEADER + padded(length));
      space.write('C2PA', 'latin1');
      space.writeUInt32LE(length, 4);
      file = Buffer.concat([file.subarray(0, RIFF_HEADER), ...kept, space]);
      file.writeUInt32LE(file.length - CHUNK_HEADER, 4);
      manifest = { type: 'C2PA', offset: file.length - space.length, length };
    },

    getHashExclusionRange() {
      const { length } = content();
      // Without the byte that fills it up, which is hashed: so does the reference implementation, and insists on it.
      return { start: manifest?.offset ?? 0, length: CHUNK_HEADER + length };
    },

    async writeManifestJUMBF(jumbf) {
      if (jumbf.length !== manifest?.length) throw new Error('the C2PA chunk has another length than the manifest');
      content().set(jumbf);
    },
  };
}

/** Whether these are a WebP file's first bytes. */
export function isWebp(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, RIFF_HEADER)).toString('latin1');
  return start.startsWith('RIFF') && start.endsWith('WEBP');
}

/** Chunks follow each other and are filled up to even lengths (RFC 9649, 2.3). */
function readChunks(file: Buffer): readonly Chunk[] {
  const end = Math.min(file.length, file.readUInt32LE(4) + CHUNK_HEADER);
  const chunks: Chunk[] = [];
  let at = RIFF_HEADER;
  while (at + CHUNK_HEADER <= end) {
    const chunk = { type: file.toString('latin1', at, at + 4), offset: at, length: file.readUInt32LE(at + 4) };
    at += CHUNK_HEADER + padded(chunk.length);
    if (at > end) throw new Error(`the chunk ${JSON.stringify(chunk.type)} is longer than the WebP file`);
    chunks.push(chunk);
  }
  return chunks;
}

/** More than one manifest store counts as none, as in the library's own formats. */
function onlyManifest(chunks: readonly Chunk[]): Chunk | null {
  const [first, second] = chunks.filter(({ type }) => type === 'C2PA');
  return first === undefined || second !== undefined ? null : first;
}

function padded(length: number): number {
  return length + (length % 2);
}
