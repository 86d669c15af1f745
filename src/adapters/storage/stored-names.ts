/** The folders of a store. */
export const FOLDERS: readonly string[] = ['originals', 'inputs'];

/** A file of the store itself or of one of the folders; neither hidden nor a path out of the store. */
const NAME = new RegExp(String.raw`^(?:(?:${FOLDERS.join('|')})/)?[^./\\][^/\\]*$`);

/** True for a name that the methods of a media store take: `<file>`, `originals/<file>` or `inputs/<file>`. */
export function isStoredName(name: string): boolean {
  return NAME.test(name) && !name.includes('..') && !name.includes('\0');
}

/** Raises `TypeError` for a name that is none of a media store. */
export function assertNames(names: readonly string[]): void {
  for (const name of names) {
    if (!isStoredName(name)) throw new TypeError(`not a name of the media store: ${JSON.stringify(name)}`);
  }
}
