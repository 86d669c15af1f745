import type { MediaFile } from '../images/image.ts';

/** A published file and whose it is. */
export interface PublishedFile {
  readonly file: MediaFile;
  /** Name of the API key that made it. */
  readonly owner: string;
}

/** The published files. */
export interface MediaFiles {
  /** Absolute path of the folder they are in. */
  readonly root: string;
  /** The published file of a succeeded image under this name, or null. */
  find(name: string): Promise<PublishedFile | null>;
}
