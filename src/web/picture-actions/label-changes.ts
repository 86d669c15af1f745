/** Most labels of a picture, and most characters of a label, as the API has it. */
export const MOST_LABELS = 16;
export const LABEL_LENGTH = 64;

/** The labels with one more, each once. Blank text adds none. */
export function withLabel(labels: readonly string[], text: string): readonly string[] {
  const label = text.trim();
  return label === '' || labels.includes(label) ? labels : [...labels, label];
}

/** What was added to `before` and removed from it to get `edited`, done to `now`: the labels as they were changed elsewhere meanwhile. */
export function rebasedLabels(
  before: readonly string[],
  edited: readonly string[],
  now: readonly string[],
): readonly string[] {
  const kept = now.filter((label) => edited.includes(label) || !before.includes(label));
  const added = edited.filter((label) => !before.includes(label));
  return [...new Set([...kept, ...added])];
}

/** Whether both have the same labels, in any order. */
export function haveSameLabels(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label) => b.includes(label));
}
