import { describe, expect, test } from 'vitest';
import { allowedHostText, hostOf, isAllowed } from '../../src/security/allow-list.ts';

describe('an allow list', () => {
  test.each([
    ['hooks.internal', 'http://hooks.internal/x', true],
    ['hooks.internal', 'https://hooks.internal:8443/x', true],
    ['Hooks.Internal', 'http://hooks.internal', true],
    ['hooks.internal', 'http://evil.hooks.internal', false],
    ['hooks.internal', 'http://hooks.internal.evil', false],
    ['hooks.internal', 'http://hooks.internal@evil', false],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080', true],
    ['127.0.0.1:8080', 'http://0x7f.1:8080', true],
    ['127.0.0.1:8080', 'http://127.0.0.1', false],
    ['127.0.0.1:8080', 'http://127.0.0.1:8081', false],
    ['a:80', 'http://a', true],
    ['a:443', 'https://a', true],
    ['a:80', 'https://a', false],
    ['[::1]:8080', 'http://[::1]:8080', true],
    ['::1', 'http://[0:0::1]', true],
    ['bücher.example', 'http://xn--bcher-kva.example', true],
  ])('with %s: %s is allowed: %s', (entry, url, allowed) => {
    expect(isAllowed([allowedHostText.parse(entry)], hostOf(url))).toBe(allowed);
  });

  test.each(['', '*', 'a b', 'http://a', 'a/b', 'a:', 'a:x', 'a:0', 'a:65536', 'u@a', '[::1', 'a:80:80', '10.0.0.0/8'])(
    'refuses the entry %j',
    (entry) => {
      expect(allowedHostText.safeParse(entry).error?.issues[0]?.message).toMatch(/must be host or host:port/);
    },
  );
});
