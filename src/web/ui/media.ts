/**
 * A URL of a record, relative to the page: of the URL only `media/` and what follows, so that it works under any path prefix, and where the
 * service does not know the address that the browser reaches it by.
 */
export function mediaPath(url: string): string {
  return url.slice(url.lastIndexOf('/media/') + 1);
}

/** The same as a link for others: as the service writes it where that is absolute, else by the page's address. */
export function mediaLink(url: string): string {
  return URL.canParse(url) ? url : new URL(mediaPath(url), document.baseURI).href;
}
