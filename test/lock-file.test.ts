import { expect, test } from 'vitest';
import { lockFileFaults } from '../.ci/lock-file.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const locked = { version: '1.0.0', integrity };
const check = (own: object, packages: Record<string, object> = {}, lock: object = {}) => {
  const manifest = { dependencies: { a: '1.0.0' }, ...own };
  return lockFileFaults(manifest, {
    lockfileVersion: 3,
    packages: { '': manifest, 'node_modules/a': locked, ...packages },
    ...lock,
  });
};

test.each<[string, readonly string[], RegExp | null]>([
  ['a lock file in order', check({}), null],
  [
    'an approved script',
    check({ allowScripts: { a: true } }, { 'node_modules/a': { ...locked, hasInstallScript: true } }),
    null,
  ],
  [
    'a refused script',
    check({ allowScripts: { a: false } }, { 'node_modules/a': { ...locked, hasInstallScript: true } }),
    null,
  ],
  ['a range', check({ dependencies: { a: '^1.0.0' } }), /no exact version/],
  ['a dependency from elsewhere', check({ dependencies: { a: 'github:a/a' } }), /no exact version/],
  ['another version', check({}, { 'node_modules/a': { ...locked, version: '1.0.1' } }), /not what is locked/],
  ['a manifest that has moved on', check({}, { '': { dependencies: {} } }), /differ/],
  ['no hash', check({}, { 'node_modules/b': { version: '1.0.0' } }), /no SHA-512/],
  ['a weak hash', check({}, { 'node_modules/b': { version: '1.0.0', integrity: 'sha1-x' } }), /no SHA-512/],
  ['a host', check({}, { 'node_modules/b': { ...locked, resolved: 'https://evil.example/b.tgz' } }), /names a host/],
  ['a link', check({}, { 'node_modules/b': { ...locked, link: true } }), /no release/],
  [
    'a script',
    check({}, { 'node_modules/x/node_modules/@b/c': { ...locked, hasInstallScript: true } }),
    /add @b\/c to/,
  ],
  ['an approval of nothing', check({ allowScripts: { a: true } }), /in allowScripts/],
  ['an old lock file', check({}, {}, { lockfileVersion: 2 }), /version 2/],
])('%s', (_what, faults, fault) => {
  expect(faults).toHaveLength(fault === null ? 0 : 1);
  if (fault) expect(faults[0]).toMatch(fault);
});
