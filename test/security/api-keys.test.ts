import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  allows,
  createKey,
  findConflicts,
  findKey,
  InvalidKeyError,
  parseKeyFile,
  parseKeys,
} from '../../src/security/api-keys.ts';

const digest = (secret: string) => `sha256-${createHash('sha256').update(secret).digest('base64url')}`;

describe('API_KEYS', () => {
  test('has keys with their scopes, secrets plain or hashed, and keeps no secret', () => {
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
    ['a:hunter2:', 'entry 1: the scopes must be of generate, read, admin'],
    ['a:hunter2:read+hunter2', 'entry 1: the scopes must be of'],
    ['a:hunter2:Read', 'entry 1: the scopes must be of'],
    ['a:hunter2:read+', 'entry 1: the scopes must be of'],
    ['a:hunter2:read,b:hunter2:read', 'b: its secret is in use twice'],
    [`a:hunter2:read,a:${digest('hunter2')}:read`, 'a: its secret is in use twice'],
    ['a:hunter2:read,a:hunter3:admin', 'a: stands twice, with different scopes'],
  ])('%s: %s', (text, fault) => {
    const { issues } = parseKeys(text);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toContain(fault);
    expect(issues[0]).not.toMatch(/h.nter/);
  });

  test('has every fault told at once', () => {
    expect(parseKeys('a:b,c:d:e,f:g:read,h').issues).toHaveLength(3);
  });

  test('may have two secrets under one name, while clients change over', () => {
    const { keys, issues } = parseKeys('blog:old:read+generate,blog:new:generate+read');
    expect(issues).toEqual([]);
    expect([findKey(keys, 'old')?.name, findKey(keys, 'new')?.name]).toEqual(['blog', 'blog']);
  });
});

test('a file of keys has one a line, with comments, and its issues name the line', () => {
  const { keys, issues } = parseKeyFile('# ours\r\n\nblog:one:read\r\n  ops:two:admin  \nbroken\n');
  expect(keys.map(({ name }) => name)).toEqual(['blog', 'ops']);
  expect(issues).toEqual(['line 5: must be name:secret:scope+scope']);
});

test('keys from two places must go together too', () => {
  const [a, b] = [parseKeys('a:one:read').keys, parseKeys('b:one:read').keys];
  expect(findConflicts([...a, ...b])).toEqual(['b: its secret is in use twice']);
});

describe('a new key', () => {
  test('has a secret of 256 bits, and a line that knows it and does not hold it', () => {
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
  ])('is not made with name %j and scopes %j', (name, scopes) => {
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
] as const)('%j allows %s: %s', (scopes, scope, allowed) => {
  expect(allows(scopes, scope)).toBe(allowed);
});
