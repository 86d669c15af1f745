import { describe, expect, it } from 'vitest';
import { keepOutsideLines, keepOutsideText } from '../../../../src/core/domain/text/outside-text.ts';
import { createSecretMask } from '../../../../src/security/secret-mask.ts';

const same = (text: string) => text;

describe('what is kept of a text from outside', () => {
  it('is short and on one line, or has its lines', () => {
    expect(keepOutsideText('a\n\t b', 10, same)).toBe('a b');
    expect(keepOutsideLines('a\n\t b', 10, same)).toBe('a\n\t b');
    for (const keep of [keepOutsideText, keepOutsideLines])
      expect(keep('x'.repeat(1000), 10, same)).toBe('x'.repeat(10));
  });

  it('was cut before it was searched', () => {
    let searched = 0;
    const mask = (text: string) => {
      searched = text.length;
      return text;
    };
    keepOutsideText('x'.repeat(10_000_000), 300, mask);
    expect(searched).toBeLessThan(20_000);
  });

  it.each([10, 100, 1000, 3000])(
    'holds no part of a secret of %d characters, wherever the cuts go through',
    (length) => {
      const secret = 'S'.repeat(length);
      const { mask } = createSecretMask([secret]);
      for (let before = 0; before < 300; before += 7) {
        const text = `${'-'.repeat(before)}${` ${secret}`.repeat(50_000 / length)}`;
        expect(keepOutsideText(text, 300, mask)).not.toMatch(/S/);
      }
    },
  );
});
