import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/security/api-keys.ts';
import { createSecretMask, credentialsIn } from '../../src/security/secret-mask.ts';

const SECRET = 'p/w+1 "ü"%~:!x=';

describe('a secret is masked', () => {
  it.each([
    ['as it is', SECRET],
    ['percent-encoded', encodeURIComponent(SECRET)],
    ['percent-encoded in lower case', encodeURIComponent(SECRET).replaceAll(/%../g, (byte) => byte.toLowerCase())],
    ['percent-encoded as part of a URL', encodeURI(SECRET)],
    ['percent-encoded where nothing has to be', `p${'%2f'}w${encodeURIComponent(SECRET.slice(3)).replace('x', '%78')}`],
    ['as in a form', String(new URLSearchParams({ a: SECRET })).slice(2)],
    ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['in JSON with escaped slashes', JSON.stringify(SECRET).slice(1, -1).replaceAll('/', '\\/')],
    ['in JSON inside of JSON', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ['in base64, as user and password are', Buffer.from(SECRET).toString('base64')],
    ['in base64 without padding', Buffer.from(SECRET).toString('base64').replace(/=+$/, '')],
  ])('%s', (_how, written) => {
    const { mask } = createSecretMask([SECRET]);
    expect(mask(`before ${written} between ${written}.`)).toMatch(/^before \[secret\]=* between \[secret\]=*\.$/);
  });

  it('as a whole where another one is its beginning', () => {
    expect(createSecretMask(['hunter22', 'hunter22-and-more']).mask('hunter22-and-more hunter22')).toBe(
      '[secret] [secret]',
    );
  });

  it('once it is learned', () => {
    const { mask, learn } = createSecretMask([]);
    expect(mask('hunter22')).toBe('hunter22');
    learn(['hunter22']);
    expect(mask('hunter22')).toBe('[secret]');
  });

  it('by the mask of another thread, too, which is told of those that are learned', () => {
    const own = createSecretMask(['hunter22']);
    const other = createSecretMask(own.known());
    const told: string[][] = [];
    const stop = own.onLearn((secrets) => void told.push([...secrets]));
    own.learn(['hunter22', 'learned-later', 'learned-later']);
    stop();
    own.learn(['learned-last']);
    expect(told).toEqual([['learned-later']]);
    for (const secrets of told) other.learn(secrets);
    expect(other.mask('hunter22 learned-later')).toBe('[secret] [secret]');
    expect(own.known()).toEqual(['hunter22', 'learned-later', 'learned-last']);
  });

  it('if it is an API key that only its hash is known of', () => {
    expect(createSecretMask([]).mask(`key ${createKey('blog', 'read').secret}!`)).toBe('key [secret]!');
  });
});

it('a secret of a few letters is not looked for: it would be found in every sentence', () => {
  expect(createSecretMask(['', 'none']).mask('none of these')).toBe('none of these');
});

it.each([
  ['https://example.com/a', []],
  ['no URL', []],
  ['https://user:p%40ss@example.com', ['p%40ss', 'p@ss', 'user:p%40ss', 'user:p@ss']],
  ['https://token%21@example.com', ['token%21', 'token!']],
])('the credentials in %s', (url, credentials) => {
  expect(credentialsIn(url)).toEqual(credentials);
});
