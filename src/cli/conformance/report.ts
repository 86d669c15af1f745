import type { Outcome, Report } from './run.ts';

/** Gives each case as lines of a table. A reason why cases are not tried stands under the first of them. */
export function tableRows(): (outcome: Outcome) => string {
  const reasons = new Set<string>();
  return ({ name, promise, verdict, findings }) => {
    const shown = verdict === 'untried' ? findings.filter((reason) => !reasons.has(reason)) : findings;
    if (verdict === 'untried') for (const reason of findings) reasons.add(reason);
    const row = `${verdict.padEnd(9)} ${name.padEnd(31)} ${promise}`;
    return [row, ...shown.map((finding) => `${' '.repeat(10)}- ${finding}`)].join('\n');
  };
}

/** What follows the table: how many cases deviate, and the settings that fit the server. */
export function summaryText({ cases, advice, conforms }: Report): string {
  const count = (verdict: Outcome['verdict']) => cases.filter((one) => one.verdict === verdict).length;
  const totals = `${count('conforms')} of ${cases.length} cases conform, ${count('deviates')} deviate, ${count('untried')} were not tried`;
  if (conforms) return totals;
  const settings = advice.map(({ variable, value, why }) => `  PROVIDER_<NAME>_${variable}=${value}  (${why})`);
  const fits =
    settings.length === 0
      ? ['no PROVIDER_<NAME>_… setting is needed for what deviates']
      : ['settings that fit it:', ...settings];
  return [totals, '', ...fits].join('\n');
}
