/** What the bytes of a picture show of it without decoding them. */

/** Longer than the start of any picture by which its format is known. */
export const HEAD_BYTES = 12;

/** The start of each format that an image API sends, one character a byte: PNG, JPEG, GIF, WebP, AVIF and HEIF, TIFF. */
const PICTURE = /^(?:\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|.{4}ftyp|II\*\0|MM\0\*)/s;

/** Whether a file that begins like this, one character a byte, is a picture. */
export function beginsAsPicture(head: string): boolean {
  return PICTURE.test(head);
}

/** The chunk IEND stands in these last bytes of a PNG, also where a careless server has added a few. */
const PNG_END_BYTES = 64;

/**
 * Whether the picture has its end, as far as its format shows it: false for a file that was read while it was written. True for whole
 * pictures, and for formats that have no end mark or are not known here.
 */
export function isWholePicture(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = file.toString('latin1', 0, HEAD_BYTES);
  if (head.startsWith('\x89PNG')) return file.subarray(-PNG_END_BYTES).includes('IEND');
  // Inside of scans FF is stuffed, so that the end mark stands behind the last start of a scan only where that is whole.
  if (head.startsWith('\xff\xd8'))
    return file.lastIndexOf('ffd9', undefined, 'hex') > file.lastIndexOf('ffda', undefined, 'hex');
  if (head.startsWith('RIFF')) return file.length >= file.readUInt32LE(4) + 8;
  // Its trailer, perhaps with zeros behind it.
  if (head.startsWith('GIF8')) return file.findLast((byte) => byte !== 0) === 0x3b;
  return true;
}

/** Bytes that show whether a file is text or a picture. */
const TEXT_BYTES = 64;
/**
 * Text without control characters but white space, which no picture begins as but SVG. The alternatives share no character: with one
 * that both take, each would double the time it takes to find out that this is no text.
 */
const TEXT = /^(?!<svg)(?:[^\p{Cc}\ufffd]|[\t-\r])*$/iu;

/** True for a page, JSON, a sentence or nothing at all: what servers send in the place of a file. */
export function isText(bytes: Uint8Array): boolean {
  // Drops a byte order mark.
  return TEXT.test(new TextDecoder().decode(bytes.subarray(0, TEXT_BYTES), { stream: true }).trimStart());
}
