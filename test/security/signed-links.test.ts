import { describe, expect, test } from 'vitest';
import { createSignedLinks } from '../../src/security/signed-links.ts';
import { exampleFile, PLAIN_URLS } from '../support/app/fake-images.ts';
import { createTestClock } from '../support/test-clock.ts';

const SECRET = 'a secret of thirty-two characters';
const file = exampleFile('a.png', Buffer.from('a picture'));

describe('a signed URL', () => {
  test('stays the same for an hour, so that caches work, and is valid for at least that long', async () => {
    const clock = createTestClock();
    const links = createSignedLinks({ plainUrls: PLAIN_URLS, secret: SECRET, seconds: 3600, clock });
    clock.advance(3_600_000 - (clock.now() % 3_600_000));
    const { url } = links.urls.ofFile(file);
    const { searchParams } = new URL(url, 'http://x');
    const isValid = () => links.secondsLeft(file, searchParams.get('expires'), searchParams.get('signature'));
    clock.advance(3_500_000);
    expect(links.urls.ofFile(file).url).toBe(url);
    clock.advance(3_500_000);
    expect(links.urls.ofFile(file).url).not.toBe(url);
    expect(isValid()).toBeGreaterThan(0);
    clock.advance(201_000);
    expect(isValid()).toBeNull();
  });

  test('is invalid with any single bit of its signature changed', () => {
    const links = createSignedLinks({ plainUrls: PLAIN_URLS, secret: SECRET, seconds: 3600, clock: createTestClock() });
    const { searchParams } = new URL(links.urls.ofFile(file).url, 'http://x');
    const expires = searchParams.get('expires');
    const signature = Buffer.from(searchParams.get('signature') ?? '');
    expect(links.secondsLeft(file, expires, signature.toString())).toBeGreaterThan(3599);
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const wrong = Buffer.from(signature);
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(links.secondsLeft(file, expires, wrong.toString('latin1'))).toBeNull();
    }
  });
});
