/** From this length on, a name may differ in two places and still be taken for a misspelling. */
const LONG_NAME = 12;

/**
 * The known name that `name` is most likely a misspelling of, in whatever case it is written; null where it is too far from all of
 * them. Names of other programs surround ours in an environment, so that few edits count: one, or two in a long name.
 */
export function nearestName(name: string, known: readonly string[]): string | null {
  const most = name.length < LONG_NAME ? 1 : 2;
  let nearest: string | null = null;
  let least = most + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > most) continue;
    const distance = editDistance(name.toUpperCase(), candidate);
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/**
 * The edits that make `to` of `from`: characters put in, left out or replaced, and neighbours swapped, the commonest slip of a hand, as one
 * edit (optimal string alignment; the plain Levenshtein distance counts a swap as two).
 */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (last[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const isSwap = row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const swapped = isSwap ? (beforeLast[column - 2] ?? 0) + 1 : replaced;
      current.push(Math.min(replaced, swapped, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    [beforeLast, last] = [last, current];
  }
  return last[to.length] ?? 0;
}
