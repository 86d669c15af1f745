import type { Readable } from 'node:stream';

/**
 * Stores files by name: `<file>`, `originals/<file>` or `inputs/<file>`. Any other name is a defect of the caller and raises `TypeError`.
 *
 * Once a method has resolved, its effect is durable: it survives a power cut. A reader, or a crash, sees the old content of a name or
 * the new one, never a part of it. Every method raises `ImageError` with `storage_full` when there is no room and `storage_unavailable`
 * for any other fault. Bytes that are passed in may be reused once the call has resolved.
 */
export interface MediaStore {
  /** Stores or replaces one file. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Stores or replaces several files, of which the first is the master. All are made durable under temporary names before the first gets
   * its own name: a fault before that publishes none of them, a fault or a crash after it may publish some.
   *
   * A store without rename, such as S3, promises less: none is published where a file to copy is missing; else each is stored whole or
   * not at all, the master last, and a fault may leave some of them. Which of them count is in the records.
   */
  publish(files: readonly FileSource[]): Promise<void>;
  /** The whole file, or null where there is none. */
  read(name: string): Promise<Uint8Array | null>;
  /** Opens the present version of a file, whole or in part; null where there is none. The caller closes it. */
  open(name: string, range?: ByteRange): Promise<OpenFile | null>;
  /**
   * A URL that gives this file without any other right until `seconds` have passed, there or not. Absent where the store has none to
   * give: files are then to be sent by us.
   */
  signedUrl?(name: string, options: SignedUrlOptions): Promise<string>;
  /** Where a file of this name is kept, there or not, as an operator looks for it: a path, or a URL such as `s3://bucket/key`. */
  pathOf(name: string): string;
  /** Removes files; a missing one is no error. Removes all that can be removed before it raises the error of the first that cannot. */
  remove(names: readonly string[]): Promise<void>;
  /**
   * Every stored file, originals and inputs included, temporary ones not; also those whose names Easel cannot have given, which no other
   * method takes. Files that come or go meanwhile may be listed or not. One that cannot be looked at is handed to `onFault` and passed
   * over.
   */
  list(onFault?: (name: string, error: unknown) => void): AsyncIterable<StoredFile>;
  /** Bytes that the removal of these files would free: a file that is stored under several names is freed with the last of them. */
  bytesOf(names: readonly string[]): Promise<number>;
  /**
   * Bytes of all files that `list` gives, each counted once, however many names it has. What this process changes is counted at once,
   * what others change when the store looks at every file again: now and then, and with each whole `list`.
   */
  usedBytes(): Promise<number>;
  /** The id of the database that the store was marked with; null where it bears no mark. */
  mark(): Promise<string | null>;
  /** Marks the store as that of one database, in place of an earlier mark. */
  setMark(id: string): Promise<void>;
  /** Removes what interrupted writes of earlier processes left behind. Call before the first write. */
  removeTemporary(): Promise<void>;
  /** Free space in bytes; null where unknown. */
  freeBytes(): Promise<number | null>;
  /** Health check: raises `storage_full` where it knows that less than `needBytes` is free, then writes, syncs and removes a small file. */
  check(needBytes: number): Promise<void>;
}

/**
 * The store with the methods in `replaced` instead of its own. It is wrapped method by method, so that a store written as a class keeps
 * its `this`.
 */
export function wrapMediaStore(store: MediaStore, replaced: Partial<MediaStore>): MediaStore {
  return {
    put: (name, bytes) => store.put(name, bytes),
    publish: (files) => store.publish(files),
    read: (name) => store.read(name),
    open: (name, range) => store.open(name, range),
    pathOf: (name) => store.pathOf(name),
    ...(store.signedUrl && { signedUrl: store.signedUrl.bind(store) }),
    remove: (names) => store.remove(names),
    list: (onFault) => store.list(onFault),
    bytesOf: (names) => store.bytesOf(names),
    usedBytes: () => store.usedBytes(),
    mark: () => store.mark(),
    setMark: (id) => store.setMark(id),
    removeTemporary: () => store.removeTemporary(),
    freeBytes: () => store.freeBytes(),
    check: (needBytes) => store.check(needBytes),
    ...replaced,
  };
}

/** A file to publish: new bytes, or the bytes of a file that is already stored, such as an original. */
export type FileSource =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly from: string };

/** What a signed URL is good for, and which headers its answer has. */
export interface SignedUrlOptions {
  readonly seconds: number;
  readonly method: 'GET' | 'HEAD';
  readonly contentType: string;
  readonly cacheControl: string;
}

/** Byte offsets into a file, both inclusive, as in the HTTP header `Range`: 0 to 99 are the first hundred bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * One version of a stored file, open for reading. It stays whole while it is open: if the file is replaced or removed meanwhile, this
 * version can still be read to its end, and the next `open` finds the new one, or none. A store that cannot keep this promise breaks
 * the stream off with an error; it never mixes the bytes of two versions.
 *
 * The opener calls `close` in every case, also after the stream has ended or failed.
 */
export interface OpenFile {
  /** Size of the whole file in bytes, whatever range was asked for. */
  readonly bytes: number;
  /**
   * The content of the range, or of the whole file. Call it at most once; bytes outside of the range are not read. It ends at the end
   * of the file if the range is longer, and fails with `ImageError` `storage_unavailable`.
   */
  stream(): Readable;
  /**
   * Fast path of a store on a local disk: a descriptor of the whole file, to be read at positions (`pread`) until `close`.
   * Absent where files are not local.
   */
  readonly fd?: number;
  /** Releases the file and breaks off a stream that has not ended. Never rejects; further calls do nothing. */
  close(): Promise<void>;
}

/** An entry of the list. */
export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** When it got its name: milliseconds since 1970. */
  readonly modifiedAt: number;
}
