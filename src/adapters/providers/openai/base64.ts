/** Decodes a JSON string of base64 that comes in parts. */
export interface Base64Decoder {
  /** Takes the next part, as it stands between the quotes: escapes are still escapes, and may be cut in two. */
  push(raw: string): void;
  /** The bytes, or null if the text as a whole was not base64. */
  end(): Buffer | null;
}

const HEAD = 'data:';
/** Longer than the head of any data URL. */
const MAX_HEAD_LENGTH = 1024;
const MIN_CAPACITY_BYTES = 64 * 1024;

/**
 * Decodes each part as it comes into one buffer, so that the text is never held whole. Takes both alphabets of RFC 4648, with
 * or without padding; a data URL's head, white space and JSON's escapes are forgiven, anything else is not.
 * `expectedBytes` saves the buffer from growing.
 */
export function createBase64Decoder(expectedBytes = 0): Base64Decoder {
  let bytes = Buffer.alloc(0);
  let length = 0;
  /** What is too little to decode yet: an unfinished head, group of four digits or escape, or the padding. */
  let pending = '';
  let inHead = true;
  let broken = false;

  /** Drops a data URL's head; false while one may still be coming. */
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

  /** Decodes digits into the buffer; false, with nothing taken, if there is anything else among them. */
  function decode(digits: string): boolean {
    const size = Math.floor((digits.length * 3) / 4);
    if (length + size > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.max(length + size, 2 * bytes.length, expectedBytes, MIN_CAPACITY_BYTES),
      );
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
    }
    // Node skips what is no digit, so only a decoding of the full length had none of it.
    if (bytes.write(digits, length, 'base64') !== size) return false;
    length += size;
    return true;
  }

  /** Decodes the whole groups of `rest`. */
  function decodeGroups(): void {
    const whole = pending.length - (pending.length % 4);
    if (decode(pending.slice(0, whole))) pending = pending.slice(whole);
    else decodeIrregularGroups();
  }

  /** The same where there are escapes, white space or padding: in the last part, and in all parts of odd writers. */
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
      // Six bits are no byte.
      if (broken || digits === undefined || digits.length === 1) return null;
      decode(digits);
      return bytes.subarray(0, length);
    },
  };
}

/** The bytes of a text that is there whole, or null if it is not base64. */
export function decodeBase64(text: string): Buffer | null {
  const decoder = createBase64Decoder(Math.ceil((text.length * 3) / 4));
  decoder.push(JSON.stringify(text).slice(1, -1));
  return decoder.end();
}

/** What a JSON string means that is written like this between its quotes; a backslash, which no base64 has, if it is not JSON. */
function unescapeJson(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return '\\';
  }
}
