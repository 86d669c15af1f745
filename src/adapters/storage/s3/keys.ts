import { createHash } from 'node:crypto';
import { FOLDERS, isStoredName } from '../stored-names.ts';

/** Where in the bucket the files of a store are. */
export interface Keys {
  /** The beginning of every key: empty, or with a slash at its end. */
  readonly root: string;
  /** The key of a file. Raises `TypeError` for a name that has no UTF-8 form. */
  of(name: string): string;
  /**
   * The name that a key stands for. An object that Easel cannot have stored has its key below the root, with a slash before it, which is
   * a name that the methods of a store refuse. Null for the mark, probes and folders, which are no files.
   */
  nameOf(key: string): string | null;
  /** The object that says whose the store is. */
  readonly mark: string;
  /** The beginning of the keys of objects that a check writes and removes. */
  readonly probes: string;
}

/**
 * Keys `<prefix>/<hh>/<file>`, `<prefix>/originals/<hh>/<file>` and `<prefix>/inputs/<hh>/<file>`: the folder comes first, so that rules
 * and rights of the bucket can be about originals alone, and then two hex digits of the name's SHA-256, so that names that begin alike
 * are spread over 256 beginnings and no partition of S3 gets all of them. What is not safe in a key is written `%XX`.
 */
export function createKeys(prefix: string): Keys {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  const root = trimmed === '' ? '' : `${trimmed}/`;

  const keyOf = (name: string): string => {
    const slash = name.indexOf('/') + 1;
    const spread = createHash('sha256').update(name).digest('hex').slice(0, 2);
    return `${root}${name.slice(0, slash)}${spread}/${encoded(name.slice(slash))}`;
  };

  const nameOf = (key: string): string | null => {
    const path = key.slice(root.length);
    if (path.startsWith('.') || path.endsWith('/')) return null;
    const name = decoded(path);
    return name !== null && keyOf(name) === key ? name : `/${path}`;
  };

  return {
    root,
    of(name) {
      if (!name.isWellFormed()) throw new TypeError(`not a name of the media store: ${JSON.stringify(name)}`);
      return keyOf(name);
    },
    nameOf,
    mark: `${root}.easel`,
    probes: `${root}.check/`,
  };
}

const KEY = new RegExp(`^((?:(?:${FOLDERS.join('|')})/)?)[0-9a-f]{2}/([^/]+)$`);

/** The name in a path below the root; null where there is none. */
function decoded(path: string): string | null {
  const [, folder = '', file = ''] = KEY.exec(path) ?? [];
  try {
    const name = folder + decodeURIComponent(file);
    return isStoredName(name) ? name : null;
  } catch {
    return null;
  }
}

/** Like `encodeURIComponent`, but `@` stays, and what AWS advises against or XML cannot hold is encoded too. */
function encoded(file: string): string {
  return encodeURIComponent(file)
    .replaceAll('%40', '@')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
