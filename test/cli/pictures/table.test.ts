import { expect, it } from 'vitest';
import { CommandError, describeFailure } from '../../../src/cli/failure.ts';
import { tableText } from '../../../src/cli/pictures/table.ts';
import { columnsOf, cut, visible } from '../../../src/cli/pictures/text.ts';

interface Row {
  readonly id: string;
  readonly prompt: string;
}

const COLUMNS = [
  { title: 'ID', value: ({ id }: Row) => id, mayBeCut: true },
  { title: 'STATUS', value: () => 'succeeded' },
  { title: 'PROMPT', value: ({ prompt }: Row) => prompt, mayBeCut: true },
] as const;
const ROWS: readonly Row[] = [
  { id: 'hero', prompt: 'a lighthouse at dusk, seen from the sea, with a storm behind it' },
  { id: 'tou', prompt: '夕暮れの灯台、海から見た景色、嵐の前' },
  { id: 'emoji', prompt: 'a 🗼 tower' },
];

it('stands in columns, wide characters too, and has every value in full where there is no terminal', () => {
  const lines = tableText(ROWS, COLUMNS, null).split('\n');
  expect(lines).toEqual([
    'ID     STATUS     PROMPT',
    `hero   succeeded  ${ROWS[0]?.prompt}`,
    `tou    succeeded  ${ROWS[1]?.prompt}`,
    'emoji  succeeded  a 🗼 tower',
  ]);
});

it.each([40, 60, 80])('fits a terminal of %i columns by cutting what may be cut', (width) => {
  const lines = tableText(ROWS, COLUMNS, width).split('\n');
  expect(Math.max(...lines.map(columnsOf))).toBeLessThanOrEqual(width);
  expect(lines[1]).toMatch(width < 80 ? /^hero +succeeded {2}a light.*…$/ : /^hero +succeeded {2}a light/);
  for (const line of lines.slice(1)) expect(line).toContain('  succeeded  ');
});

it('leaves out columns by their turn where cutting is not enough', () => {
  const long = [
    { title: 'COST', value: () => '$0.004195', turnToGo: 2 },
    ...COLUMNS,
    { title: 'SIZE', value: () => '64x48 png', turnToGo: 1 },
  ];
  const titles = (width: number) => tableText(ROWS, long, width).split('\n')[0]?.split(/ +/);
  expect(titles(80)).toEqual(['COST', 'ID', 'STATUS', 'PROMPT', 'SIZE']);
  expect(titles(46)).toEqual(['COST', 'ID', 'STATUS', 'PROMPT']);
  expect(titles(30)).toEqual(['ID', 'STATUS', 'PROMPT']);
});

it('counts columns as terminals do', () => {
  expect(['abc', '灯台', '한국', '👩‍🚀', 'é', 'ａ'].map(columnsOf)).toEqual([3, 4, 4, 2, 1, 2]);
  expect(cut('夕暮れの灯台', 7)).toBe('夕暮れ…');
});

it('shows nothing that a terminal would act on', () => {
  expect(visible('a\x1b[2J\x1b]0;title\x07 b\n\tc\u202e')).toBe('a [2J ]0;title  b c');
});

it('shows nothing of the kind in what a command says of a failure, and keeps its lines', () => {
  const { message } = describeFailure(new CommandError('it said: \x1b]0;title\x07\n  and \x9b2J more'));
  expect(message).toBe('it said:  ]0;title\n  and  2J more');
});
