import { columnsOf, cut, visible } from './text.ts';

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Whether it may be cut where the terminal is too narrow; it then shows its beginning. */
  readonly mayBeCut?: boolean;
  /** Its turn to be left out where cutting is not enough, 1 first; without one it stays. */
  readonly turnToGo?: number;
}

const GAP = '  ';
/** Columns are not cut below this. */
const LEAST = 8;

/**
 * A table with a line for each row below a line of titles. Where `width` columns of a terminal are too few, what may be cut is cut, and
 * then columns are left out; null is no terminal, where every value stands in full.
 */
export function tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number | null): string {
  const cells = rows.map((row) => columns.map(({ value }) => visible(value(row))));
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, index) => Math.max(...[titles, ...cells].map((line) => columnsOf(line[index] ?? ''))));
  if (width !== null && !narrow(widths, columns, width)) {
    const [goes] = columns
      .filter(({ turnToGo }) => turnToGo !== undefined)
      .toSorted((a, b) => (a.turnToGo ?? 0) - (b.turnToGo ?? 0));
    const others = columns.filter((column) => column !== goes);
    if (goes !== undefined) return tableText(rows, others, width);
  }
  const lineOf = (line: readonly string[]) =>
    line
      .map((text, index) => pad(cut(text, widths[index] ?? 0), widths[index] ?? 0))
      .join(GAP)
      .trimEnd();
  return [titles, ...cells].map(lineOf).join('\n');
}

/** Takes from the widest that may be cut, until the line fits; false where it does not. */
function narrow<Row>(widths: number[], columns: readonly Column<Row>[], width: number): boolean {
  const gaps = GAP.length * (columns.length - 1);
  for (;;) {
    const excess = widths.reduce((sum, each) => sum + each, gaps) - width;
    const candidates = widths.flatMap((each, index) =>
      columns[index]?.mayBeCut && each > LEAST ? [{ each, index }] : [],
    );
    const widest = candidates.toSorted((a, b) => b.each - a.each)[0];
    if (excess <= 0) return true;
    if (widest === undefined) return false;
    const next = candidates
      .filter(({ each }) => each < widest.each)
      .reduce((most, { each }) => Math.max(most, each), LEAST);
    widths[widest.index] = Math.max(next, widest.each - excess);
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - columnsOf(text)));
}

/** The width of the terminal that standard output is; null where it is none. */
export function terminalWidth(): number | null {
  return process.stdout.isTTY ? (process.stdout.columns ?? 80) : null;
}
