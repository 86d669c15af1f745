import { expect, it } from 'vitest';
import { hidePrompt } from '../../../../src/core/domain/text/quoted-prompt.ts';

const PROMPT = 'A portrait of Ms Example,\n  in the style of a passport photo';

it.each([
  ['the whole prompt', `No: "${PROMPT}".`, 'No: "[prompt]".'],
  ['in one line', `No: ${PROMPT.replaceAll(/\s+/g, ' ')}!`, 'No: [prompt]!'],
  ['in capitals', `NO: ${PROMPT.toUpperCase()}!`, 'NO: [prompt]!'],
  ['a long part of it', 'Not "of Ms Example, in the".', 'Not "[prompt]".'],
  ['its cut start', 'Not "A portrait of Ms Ex…".', 'Not "[prompt]…".'],
  ['twice', `${PROMPT} ${PROMPT}`, '[prompt] [prompt]'],
  ['words of it', 'A portrait is not allowed.', 'A portrait is not allowed.'],
  ['nothing of it', 'Rate limit reached.', 'Rate limit reached.'],
])('hides %s', (_what, text, shown) => {
  expect(hidePrompt(text, PROMPT)).toBe(shown);
});

it('hides a short prompt as a whole, and none of a few letters', () => {
  expect(hidePrompt('No "red fox" here.', ' red fox ')).toBe('No "[prompt]" here.');
  expect(hidePrompt('No a here.', 'a')).toBe('No a here.');
  expect(hidePrompt('No prompt.', '')).toBe('No prompt.');
});
