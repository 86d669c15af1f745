import { findKey, type Keys, parseKeys } from '../../src/security/api-keys.ts';

/**
 * `API_KEYS` with a key for each set of scopes that tests need; the secret of a key is its name followed by `-secret`,
 * and of a second key of a name begins with that. */
export const TEST_KEYS = [
  'blog:blog-secret:generate+read',
  'shop:shop-secret:generate+read',
  'maker:maker-secret:generate',
  'viewer:viewer-secret:read',
  'blog:blog-page-secret:read',
  'desk:desk-secret:read-all',
  'editor:editor-secret:generate+read-all',
  'scraper:scraper-secret:metrics',
  'boss:boss-secret:admin',
].join(',');

/** `TEST_KEYS`, parsed. */
export function testKeys(): Keys {
  const { keys } = parseKeys(TEST_KEYS);
  return { inUse: true, find: (secret) => findKey(keys, secret) };
}

/** The headers that authenticate a request with this key. */
export function bearer(name: string): { readonly authorization: string } {
  return { authorization: `Bearer ${name}-secret` };
}
