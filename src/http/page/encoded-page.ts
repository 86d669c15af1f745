import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { hashOf } from './hashed-file.ts';
import type { PageSource } from './page-document.ts';

/** Content codings that files are kept in, the smallest result first. */
export const CODINGS = ['br', 'gzip', 'identity'] as const;
export type Coding = (typeof CODINGS)[number];

/** A file in every coding. */
export interface EncodedFile {
  readonly type: string;
  /** Changes with the content; a coding's entity tag is made of it. */
  readonly hash: string;
  readonly bytes: Readonly<Record<Coding, Uint8Array>>;
}

/** The page as it is sent: compressed once, so that a request costs no more than sending bytes. */
export interface EncodedPage {
  readonly document: EncodedFile;
  /** By name. */
  readonly files: ReadonlyMap<string, EncodedFile>;
}

/** Compresses the page. This takes some 100 ms of processor time. */
export function encodePage({ document, files }: PageSource): EncodedPage {
  return {
    document: encode('text/html; charset=utf-8', document),
    files: new Map(files.map(({ name, type, text }) => [name, encode(type, text)])),
  };
}

function encode(type: string, text: string): EncodedFile {
  const identity = Buffer.from(text);
  const params = {
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_SIZE_HINT]: identity.byteLength,
  };
  return {
    type,
    hash: hashOf(text),
    bytes: { br: brotliCompressSync(identity, { params }), gzip: gzipSync(identity, { level: 9 }), identity },
  };
}
