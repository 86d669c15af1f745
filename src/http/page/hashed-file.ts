import { createHash } from 'node:crypto';

/** A file under a name that changes with its content, so that browsers may keep it for ever. */
export interface HashedFile {
  /** Such as `gallery-list-3f1c9a0b77de.js`. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

const TYPES = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' } as const;

/** Names a file `<name>-<first 12 digits of the sha256>.<ending>`. */
export function hashedFile(name: string, ending: keyof typeof TYPES, text: string): HashedFile {
  return { name: `${name}-${hashOf(text)}.${ending}`, type: TYPES[ending], text };
}

/** The first 12 digits of the text's sha256. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
