import { thumbHashToDataURL } from 'thumbhash';

/** The thumbhash of a record as the URL of a blurred picture of up to 32 pixels a side; null for none, and for one that cannot be read. */
export function thumbhashUrl(thumbhash: string | null): string | null {
  if (thumbhash === null) return null;
  try {
    return thumbHashToDataURL(Uint8Array.from(atob(thumbhash), (digit) => digit.charCodeAt(0)));
  } catch {
    return null;
  }
}
