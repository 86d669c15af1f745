import type { Readable } from 'node:stream';

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** A file to publish: new bytes, or the bytes of a file that is already stored (an original). */
export type FileSource =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly from: string };

/** Byte offsets into a file, both inclusive, as `Range` counts them: 0 to 99 are the first hundred bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * One version of a stored file, open for reading. It stays whole while it is open: a file that is replaced or removed
 * meanwhile is still read to its end as it was, and the next `open` finds the new one, or none. A store that cannot keep
 * that promise breaks the stream off with an error; it never mixes the bytes of two versions.
 *
 * The opener calls `close` in every case, also after the stream has ended or failed.
 */
export interface OpenFile {
  /** Size of the whole file, whatever range was asked for. */
  readonly bytes: number;
  /**
   * The content of the range, or of the whole file. Call it once at most; what is not asked for is not read. It ends at
   * the end of the file where the range goes on beyond it, and fails with `ImageError` `storage_unavailable`.
   */
  stream(): Readable;
  /**
   * Fast path of a store on a local disk: a descriptor of the whole file, to be read at positions (`pread`) until `close`.
   * Left out where files are elsewhere.
   */
  readonly fd?: number;
  /** Releases the file and breaks off a stream that has not ended. Never rejects; further calls do nothing. */
  close(): Promise<void>;
}

/**
 * Keeps files by name. Whatever a method has resolved for is durable: it survives a power cut.
 * Raises `ImageError` with `storage_full` when there is no room and `storage_unavailable` for any other fault.
 */
export interface MediaStore {
  /** Stores one file whole or not at all. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Makes every file durable under a temporary name, and only then gives all of them their names. Replaces. */
  publish(files: readonly FileSource[]): Promise<void>;
  /** The whole file, or null where there is none. */
  read(name: string): Promise<Uint8Array | null>;
  /** The file as it now is, to be read whole or in part; null where there is none. The caller closes it. */
  open(name: string, range?: ByteRange): Promise<OpenFile | null>;
  /** Removes what is there; a missing file is no error. */
  remove(names: readonly string[]): Promise<void>;
  /** Every stored file, originals included, temporary ones not. */
  list(): AsyncIterable<StoredFile>;
  /** Removes what writes of an earlier process left half done. Call before the first write. */
  removeTemporary(): Promise<void>;
  /** Room that is left, in bytes; null where there is no telling. */
  freeBytes(): Promise<number | null>;
  /** Writes, syncs and removes a small file; room for `needBytes` is looked for first. */
  check(needBytes: number): Promise<void>;
}
