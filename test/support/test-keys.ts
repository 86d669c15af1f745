import { findKey, type Keys, parseKeys } from '../../src/security/api-keys.ts';

/** `API_KEYS` with a key of every kind; the secret of each is its name and `-secret`. */
export const TEST_KEYS = [
  'blog:blog-secret:generate+read',
  'shop:shop-secret:generate+read',
  'maker:maker-secret:generate',
  'viewer:viewer-secret:read',
  'boss:boss-secret:admin',
].join(',');

export function testKeys(): Keys {
  const { keys } = parseKeys(TEST_KEYS);
  return { inUse: true, find: (secret) => findKey(keys, secret) };
}

/** Headers of one who has this key. */
export function bearer(name: string): { readonly authorization: string } {
  return { authorization: `Bearer ${name}-secret` };
}
