/** Which rows of a grid of equal rows are on show and mounted. Lengths are CSS pixels. */

export interface Geometry {
  readonly columns: number;
  /** From the top of a row to the top of the next. */
  readonly pitch: number;
  readonly gap: number;
  /** The grid's top in the document. */
  readonly top: number;
}

/** From `first` to before `end`. */
export interface Rows {
  readonly first: number;
  readonly end: number;
}

/** Most cards that are mounted at a time; each has one picture. */
const MOST_CARDS = 132;

/** The rows that the window shows, also in part. */
export function visibleRows({ top, pitch }: Geometry, scrollY: number, height: number): Rows {
  const first = Math.max(0, Math.floor((scrollY - top) / pitch));
  return { first, end: Math.max(first + 1, Math.ceil((scrollY + height - top) / pitch)) };
}

/** The rows to mount: as many again above and below as are on show, so that a turn of the wheel finds them ready. */
export function mountedRows({ first, end }: Rows, columns: number, rows: number): Rows {
  const visible = end - first;
  const room = Math.floor((Math.floor(MOST_CARDS / columns) - visible) / 2);
  const around = Math.max(1, Math.min(visible, room));
  const last = Math.min(rows, end + around);
  return { first: Math.max(0, Math.min(first - around, last - 1)), end: last };
}

/** The mounted ranges in order: the rows around the window, and the row with the focus where that is elsewhere. */
export function rangesOf(mounted: Rows, focusedRow: number): readonly Rows[] {
  if (focusedRow < 0 || (focusedRow >= mounted.first && focusedRow < mounted.end)) return [mounted];
  const focused = { first: focusedRow, end: focusedRow + 1 };
  return focusedRow < mounted.first ? [focused, mounted] : [mounted, focused];
}
