/** Incremental decoder of a JSON string that holds base64. */
export interface Base64Decoder {
  /** Adds the next part of the raw text between the quotes: JSON escapes are not resolved yet and may be split. */
  push(raw: string): void;
  /** The bytes; null if the text as a whole was not base64. */
  end(): Buffer | null;
}

/** Start of a data URL; its head ends with the comma. */
const HEAD = 'data:';
/** Longer than the head of any data URL. */
const MAX_HEAD_LENGTH = 1024;
const MIN_CAPACITY_BYTES = 64 * 1024;

/**
 * Decodes each part into one buffer as it arrives, so that the whole text is never in memory. Accepts both alphabets of
 * RFC 4648, with or without padding, and also a data URL's head, white space and JSON escapes; anything else is invalid.
 * With `expectedBytes` the buffer is allocated once instead of growing.
 */
export function createBase64Decoder(expectedBytes = 0): Base64Decoder {
  /** Alone in its memory, which can so be moved to another thread. */
  let bytes = Buffer.allocUnsafeSlow(0);
  let length = 0;
  /** Input that cannot be decoded yet: part of a data URL's head, of a group of four digits or of an escape, or the padding. */
  let pending = '';
  let inHead = true;
  let broken = false;

  /** Drops a data URL's head. False while the head is incomplete, or too little has arrived to rule one out. */
  function skipDataUrlHead(atEnd: boolean): boolean {
    const comma = pending.startsWith(HEAD) ? pending.slice(0, MAX_HEAD_LENGTH).indexOf(',') : -1;
    if (comma === -1 && (pending.startsWith(HEAD) || (pending.length < HEAD.length && !atEnd))) {
      broken = pending.length >= MAX_HEAD_LENGTH;
      return false;
    }
    pending = pending.slice(comma + 1);
    inHead = false;
    return true;
  }

  /** Gives the old memory back at once: a garbage collection may be far away. */
  function grow(size: number): void {
    const larger = allocate(size);
    larger.set(bytes.subarray(0, length));
    bytes.buffer.transferToFixedLength(0);
    bytes = larger;
  }

  /** Decodes base64 digits into the buffer. False, without a change, if the text holds anything else. */
  function decode(digits: string): boolean {
    const size = Math.floor((digits.length * 3) / 4);
    if (length + size > bytes.length) {
      grow(Math.max(length + size, 2 * bytes.length, expectedBytes, MIN_CAPACITY_BYTES));
    }
    // Node skips characters that are not digits, so a result of full length means that there were none.
    if (bytes.write(digits, length, 'base64') !== size) return false;
    length += size;
    return true;
  }

  /** Decodes the complete groups of four digits in `pending`. */
  function decodeGroups(): void {
    const whole = pending.length - (pending.length % 4);
    if (decode(pending.slice(0, whole))) pending = pending.slice(whole);
    else decodeIrregularGroups();
  }

  /** The slow path of `decodeGroups`: for text with escapes, white space or padding, and for the last part. */
  function decodeIrregularGroups(): void {
    const cutEscape = /\\(?:u[0-9a-fA-F]{0,3})?$/.exec(pending)?.[0] ?? '';
    const text = unescapeJson(pending.slice(0, pending.length - cutEscape.length)).replaceAll(/\s+/g, '');
    const [, digits, padding = ''] = /^([\w+/-]*)(={0,2})$/.exec(text) ?? [];
    if (digits === undefined) {
      broken = true;
      return;
    }
    const whole = digits.length - (digits.length % 4);
    decode(digits.slice(0, whole));
    pending = digits.slice(whole) + padding + cutEscape;
  }

  return {
    push(raw) {
      if (broken) return;
      pending += raw;
      if (!inHead || skipDataUrlHead(false)) decodeGroups();
    },
    end() {
      if (broken || (inHead && !skipDataUrlHead(true))) return null;
      decodeIrregularGroups();
      const [, digits] = /^([\w+/-]{0,3})={0,2}$/.exec(pending) ?? [];
      // One digit is six bits, less than a byte.
      if (broken || digits === undefined || digits.length === 1) return null;
      decode(digits);
      return bytes.subarray(0, length);
    },
  };
}

/**
 * Memory that the system has again once it is released: that of a buffer which may be resized is mapped for it alone, while malloc keeps
 * what it once gave out. Dozens of answers may arrive together.
 */
function allocate(bytes: number): Buffer<ArrayBuffer> {
  return Buffer.from(new ArrayBuffer(bytes, { maxByteLength: bytes }));
}

/** Characters that are decoded at a time, so that a long text is not copied as a whole. */
const PART_LENGTH = 64 * 1024;

/** Decodes a complete text; null if it is not base64. */
export function decodeBase64(text: string): Buffer | null {
  const decoder = createBase64Decoder(Math.ceil((text.length * 3) / 4));
  for (let at = 0; at < text.length; at += PART_LENGTH) {
    decoder.push(JSON.stringify(text.slice(at, at + PART_LENGTH)).slice(1, -1));
  }
  return decoder.end();
}

/** Resolves the escapes of a JSON string's raw content. Where they are invalid, gives a backslash, which is not base64 either. */
function unescapeJson(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return '\\';
  }
}
