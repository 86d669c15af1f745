/** Fetches pictures that callers name by their address. */
export interface PictureFetcher {
  /**
   * The bytes behind an http or https URL, whatever they are. Redirects are followed. Raises `ImageError`: `invalid_request` for an address
   * that must not be reached, or where no bytes came (in time), and `payload_too_large` for more than `maxBytes`. Its message says
   * no more of the URL than its host: it may be a signed one.
   */
  fetch(url: string, maxBytes: number): Promise<Uint8Array>;
}
