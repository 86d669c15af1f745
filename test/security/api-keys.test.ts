import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  allows,
  createKey,
  effectiveScopes,
  findConflicts,
  findKey,
  InvalidKeyError,
  parseKeyFile,
  parseKeys,
} from '../../src/security/api-keys.ts';

const digest = (secret: string) => `sha256-${createHash('sha256').update(secret).digest('base64url')}`;

describe('API_KEYS', () => {
  test('gives keys with their scopes, from plain or hashed secrets, and keeps no secret', () => {
    const { keys, issues } = parseKeys(`blog:one:two:generate+read, ops:${digest('boss')}:admin`);
    expect(issues).toEqual([]);
    expect(keys.map(({ name, scopes }) => [name, ...scopes])).toEqual([
      ['blog', 'generate', 'read'],
      ['ops', 'admin'],
    ]);
    expect(findKey(keys, 'one:two')?.name).toBe('blog');
    expect(findKey(keys, 'boss')?.name).toBe('ops');
    for (const wrong of ['', 'one', 'bosS', digest('boss'), 'generate+read']) expect(findKey(keys, wrong)).toBeNull();
    expect(JSON.stringify(keys)).not.toMatch(/one:two|boss/);
  });

  test.each([
    ['hunter2', 'entry 1: must be name:secret:scope+scope'],
    ['a:hunter2', 'entry 1: must be name:secret:scope+scope'],
    ['a:hunter2:read,', 'entry 2: must be name:secret:scope+scope'],
    [':hunter2:read', 'entry 1: the name must be'],
    ['a b:hunter2:read', 'entry 1: the name must be'],
    ['anonymous:hunter2:read', 'entry 1: no key can be named anonymous'],
    ['a::read', 'entry 1: the secret must be'],
    ['a:hunter 2:read', 'entry 1: the secret must be'],
    ['a:hünter2:read', 'entry 1: the secret must be'],
    ['a:hunter2:', 'entry 1: the scopes must be of generate, read, read-all, metrics, admin'],
    ['a:hunter2:read+hunter2', 'entry 1: the scopes must be of'],
    ['a:hunter2:Read', 'entry 1: the scopes must be of'],
    ['a:hunter2:read+', 'entry 1: the scopes must be of'],
    ['a:hunter2:read,b:hunter2:read', 'b: its secret is in use twice'],
    [`a:hunter2:read,a:${digest('hunter2')}:read`, 'a: its secret is in use twice'],
  ])('%s: %s', (text, issue) => {
    const { issues } = parseKeys(text);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toContain(issue);
    expect(issues[0]).not.toMatch(/h.nter/);
  });

  test('reports every issue at once', () => {
    expect(parseKeys('a:b,c:d:e,f:g:read,h').issues).toHaveLength(3);
  });

  test('may have several secrets under one name, each with scopes of its own', () => {
    const { keys, issues } = parseKeys('blog:old:read+generate,blog:new:generate+read,blog:page:read');
    expect(issues).toEqual([]);
    expect(['old', 'new', 'page'].map((secret) => findKey(keys, secret))).toMatchObject([
      { name: 'blog', scopes: ['read', 'generate'] },
      { name: 'blog', scopes: ['generate', 'read'] },
      { name: 'blog', scopes: ['read'] },
    ]);
  });
});

test('a key file has one key a line and comments, and its issues name the line', () => {
  const { keys, issues } = parseKeyFile('# ours\r\n\nblog:one:read\r\n  ops:two:admin  \nbroken\n');
  expect(keys.map(({ name }) => name)).toEqual(['blog', 'ops']);
  expect(issues).toEqual(['line 5: must be name:secret:scope+scope']);
});

test('keys from two sources are checked for conflicts too', () => {
  const [a, b] = [parseKeys('a:one:read').keys, parseKeys('b:one:read').keys];
  expect(findConflicts([...a, ...b])).toEqual(['b: its secret is in use twice']);
});

describe('a new key', () => {
  test('has a secret of 256 bits, and a line that matches the secret without containing it', () => {
    const { secret, line } = createKey('blog', 'generate+read');
    expect(secret).toMatch(/^easel_[\w-]{43}$/);
    expect(line).not.toContain(secret);
    expect(findKey(parseKeyFile(line).keys, secret)).toMatchObject({ name: 'blog', scopes: ['generate', 'read'] });
    expect(createKey('blog', 'read').secret).not.toBe(secret);
  });

  test.each([
    ['a:b', 'read'],
    ['#a', 'read'],
    ['a', 'write'],
    ['a', ''],
  ])('is refused with name %j and scopes %j', (name, scopes) => {
    expect(() => createKey(name, scopes)).toThrow(InvalidKeyError);
  });
});

test.each([
  [['read'], 'read', true],
  [['read'], 'generate', false],
  [['generate'], 'read', false],
  [['generate', 'read'], 'admin', false],
  [['admin'], 'read', true],
  [['admin'], 'generate', true],
  [['admin'], 'admin', true],
  [['admin'], 'read-all', true],
  [['admin'], 'metrics', true],
  [['read'], 'read-all', false],
  [['read-all'], 'read', true],
  [['read-all'], 'generate', false],
  [['read-all', 'generate', 'metrics'], 'admin', false],
  [['read-all', 'generate', 'read'], 'metrics', false],
  [['metrics'], 'read', false],
  [['metrics'], 'metrics', true],
] as const)('%j allows %s: %s', (scopes, scope, allowed) => {
  expect(allows(scopes, scope)).toBe(allowed);
});

test.each([
  [['generate'], ['generate']],
  [
    ['read', 'generate'],
    ['generate', 'read'],
  ],
  [['read-all'], ['read', 'read-all']],
  [['metrics', 'metrics'], ['metrics']],
  [['admin'], ['generate', 'read', 'read-all', 'metrics', 'admin']],
] as const)('%j have the scopes %j in effect', (scopes, effective) => {
  expect(effectiveScopes(scopes)).toEqual(effective);
});
