import { expect, test } from 'vitest';
import { lockFileIssues } from '../.ci/lock-file.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const locked = { version: '1.0.0', integrity };
const issuesOf = (own: object, packages: Record<string, object> = {}, lock: object = {}) => {
  const manifest = { dependencies: { a: '1.0.0' }, ...own };
  return lockFileIssues(manifest, {
    lockfileVersion: 3,
    packages: { '': manifest, 'node_modules/a': locked, ...packages },
    ...lock,
  });
};

test.each<[string, readonly string[], RegExp | null]>([
  ['a lock file in order', issuesOf({}), null],
  [
    'an approved script',
    issuesOf({ allowScripts: { a: true } }, { 'node_modules/a': { ...locked, hasInstallScript: true } }),
    null,
  ],
  [
    'a refused script',
    issuesOf({ allowScripts: { a: false } }, { 'node_modules/a': { ...locked, hasInstallScript: true } }),
    null,
  ],
  ['a range', issuesOf({ dependencies: { a: '^1.0.0' } }), /not an exact version/],
  [
    'a package under another name',
    issuesOf({ dependencies: { a: 'npm:@b/c@1.0.0' } }, { 'node_modules/a': { ...locked, name: '@b/c' } }),
    null,
  ],
  [
    'another package under that name',
    issuesOf({ dependencies: { a: 'npm:@b/c@1.0.0' } }, { 'node_modules/a': { ...locked, name: '@b/d' } }),
    /the locked package is not npm:@b\/c@1\.0\.0/,
  ],
  [
    'a package under another name, where its own is asked for',
    issuesOf({}, { 'node_modules/a': { ...locked, name: '@b/d' } }),
    /the locked package is not 1\.0\.0/,
  ],
  ['a range under another name', issuesOf({ dependencies: { a: 'npm:@b/c@^1.0.0' } }), /not an exact version/],
  ['a dependency from elsewhere', issuesOf({ dependencies: { a: 'github:a/a' } }), /not an exact version/],
  [
    'another version',
    issuesOf({}, { 'node_modules/a': { ...locked, version: '1.0.1' } }),
    /the locked version is not 1\.0\.0/,
  ],
  ['a manifest that differs from the lock file', issuesOf({}, { '': { dependencies: {} } }), /differ/],
  ['no hash', issuesOf({}, { 'node_modules/b': { version: '1.0.0' } }), /no SHA-512 hash/],
  ['a weak hash', issuesOf({}, { 'node_modules/b': { version: '1.0.0', integrity: 'sha1-x' } }), /no SHA-512 hash/],
  [
    'a named host',
    issuesOf({}, { 'node_modules/b': { ...locked, resolved: 'https://evil.example/b.tgz' } }),
    /names a host/,
  ],
  ['a linked folder', issuesOf({}, { 'node_modules/b': { ...locked, link: true } }), /not a release/],
  [
    'a script',
    issuesOf({}, { 'node_modules/x/node_modules/@b/c': { ...locked, hasInstallScript: true } }),
    /add @b\/c to/,
  ],
  ['an approval of nothing', issuesOf({ allowScripts: { a: true } }), /in allowScripts/],
  ['an old lock file', issuesOf({}, {}, { lockfileVersion: 2 }), /version 2/],
])('%s', (_what, issues, issue) => {
  expect(issues).toHaveLength(issue === null ? 0 : 1);
  if (issue) expect(issues[0]).toMatch(issue);
});
