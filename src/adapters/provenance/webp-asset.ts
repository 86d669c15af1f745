import type { Asset } from '@trustnxt/c2pa-ts/asset';

/** Bytes of `RIFF`, the length and `WEBP`. */
const RIFF_HEADER = 12;
/** Bytes of a chunk's type and length. */
const CHUNK_HEADER = 8;

/**
 * A WebP file behind the `Asset` interface of c2pa-ts, which does not support WebP. The manifest store is the RIFF chunk
 * `C2PA` (C2PA 2.1, annex A); a new one is written as the last chunk. Raises `Error` for chunks that exceed the file.
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
      // The padding byte is not excluded but hashed: the reference implementation does so and requires it.
      return { start: manifest?.offset ?? 0, length: CHUNK_HEADER + length };
    },

    async writeManifestJUMBF(jumbf) {
      if (jumbf.length !== manifest?.length) throw new Error('the C2PA chunk and the manifest differ in length');
      content().set(jumbf);
    },
  };
}

/** True for bytes that begin like a WebP file. */
export function isWebp(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, RIFF_HEADER)).toString('latin1');
  return start.startsWith('RIFF') && start.endsWith('WEBP');
}

interface Chunk {
  readonly type: string;
  /** Of its header, in bytes from the start of the file. */
  readonly offset: number;
  /** Of its content, without header and padding. */
  readonly length: number;
}

/** Chunks follow one another and are padded to even lengths (RFC 9649, 2.3). */
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

/** The manifest chunk; null where there is none or more than one, which c2pa-ts treats alike in other formats. */
function onlyManifest(chunks: readonly Chunk[]): Chunk | null {
  const [first, second] = chunks.filter(({ type }) => type === 'C2PA');
  return first === undefined || second !== undefined ? null : first;
}

function padded(length: number): number {
  return length + (length % 2);
}
