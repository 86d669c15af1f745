import { styleText } from 'node:util';
import type { Finding, Verdict } from '../../composition/checkup/finding.ts';
import { visible } from '../pictures/text.ts';

const COLOURS = { ok: 'green', warning: 'yellow', fails: 'red' } as const satisfies Record<Verdict, string>;
const WIDEST = 'warning'.length;
const SUBJECT_COLUMNS = 20;

/** A finding on one line: the verdict, the subject, and what there is to say. */
export function lineOf({ subject, verdict, detail }: Finding, hasColours: boolean): string {
  const word = hasColours ? styleText(COLOURS[verdict], verdict, { validateStream: false }) : verdict;
  return `${word}${' '.repeat(WIDEST - verdict.length)}  ${subject.padEnd(SUBJECT_COLUMNS)}  ${visible(detail)}`;
}
