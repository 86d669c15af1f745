/** Fetches pictures that callers name by their address. */
export interface PictureFetcher {
  /**
   * The bytes behind an http or https URL, whatever they are. Redirects are followed. Raises `ImageError`: `invalid_request` for an address
   * that must not be reached, or where no bytes came (in time), `payload_too_large` for more than `maxBytes`, and `shutting_down`. Its
   * message says no more of the URL than its host: it may be a signed one. `onBytes` is called with the number of bytes of each piece that
   * arrives; what it raises ends the fetch and is raised.
   */
  fetch(
    url: string,
    options: { readonly maxBytes: number; readonly onBytes?: (bytes: number) => void },
  ): Promise<Uint8Array>;
}
