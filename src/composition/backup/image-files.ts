import { inputName, ownedNames, publishedFiles, storedNameOf } from '../../core/domain/file-names.ts';
import type { Image } from '../../core/domain/image.ts';
import { inputsOf } from '../../core/domain/request.ts';

/** A file of an image in the media store. */
export interface NamedFile {
  readonly name: string;
  /** Undefined for a file that may or may not be there, such as the original of an earlier attempt. */
  readonly sha256: string | undefined;
}

/** The files of an image: those in its record, and those that may be there besides. */
export function filesOf(image: Image): readonly NamedFile[] {
  const files = [...(image.original ? [image.original] : []), ...publishedFiles(image)];
  const known = files.map((file) => ({ name: storedNameOf(file), sha256: file.sha256 }));
  const inputs = inputsOf(image.request).map(({ sha256 }) => ({ name: inputName(sha256), sha256 }));
  const hashes = new Map([...known, ...inputs].map(({ name, sha256 }) => [name, sha256]));
  return [...new Set([...hashes.keys(), ...ownedNames(image)])].map((name) => ({ name, sha256: hashes.get(name) }));
}
