import type { Usage } from '../service/types.ts';
import { formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { Figure, Panel } from './panel.ts';
import { type DaySpending, spendingByDay, writeDay } from './spending.ts';
import { useWidth } from './use-width.ts';

/** CSS pixels, as the plot is drawn as wide as its panel: its letters have one size on every screen. */
const HEIGHT = 200;
const LEFT = 52;
const BOTTOM = 24;
const TOP = 16;
/** Least distance between two days that are named. */
const LABEL_WIDTH = 90;

/** What was spent on each day, against the budget, as bars; the same as a table. */
export function SpendPlot({ usage }: { readonly usage: Usage }) {
  const { usdPerDay, spent, reserved } = usage.budget;
  const days = spendingByDay(usage.days);
  const total = days.reduce((sum, { usd }) => sum + usd, 0);
  const images = days.reduce((sum, day) => sum + day.images, 0);
  return html`<${Panel} title="Spending" isWide>
    <dl class="figures">
      <${Figure} name="Today" of=${usdPerDay === null ? undefined : `of ${formatUsd(usdPerDay)}`}>${formatUsd(spent)}<//>
      <${Figure} name="Held back for running calls">${formatUsd(reserved)}<//>
      <${Figure} name="Budget a day">${usdPerDay === null ? 'None' : formatUsd(usdPerDay)}<//>
      <${Figure} name=${`The last ${days.length} days`} of=${images === 1 ? '1 picture' : `${images} pictures`}>${formatUsd(total)}<//>
    </dl>
    ${total === 0 ? html`<p class="muted">Nothing was spent in this time.</p>` : html`<${Bars} days=${days} budget=${usdPerDay} />`}
    <details>
      <summary>As a table</summary>
      <table>
        <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Pictures</th><th scope="col">Spent</th></tr></thead>
        <tbody>${days.toReversed().map(({ day, images, usd }) => html`<tr><th scope="row">${writeDay(day)}</th><td>${images}</td><td>${formatUsd(usd)}</td></tr>`)}</tbody>
      </table>
    </details>
  <//>`;
}

function Bars({ days, budget }: { readonly days: readonly DaySpending[]; readonly budget: number | null }) {
  const [frame, width] = useWidth();
  const highest = Math.max(...days.map(({ usd }) => usd));
  const top = Math.max(highest, budget ?? 0) * 1.05;
  const y = (usd: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - usd / top);
  const step = (width - LEFT) / days.length;
  const middle = (index: number) => LEFT + (index + 0.5) * step;
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / step));
  const label = `Spending a day, ${days.at(0)?.day} to ${days.at(-1)?.day}: at most ${formatUsd(highest)}${budget === null ? '' : `; the budget is ${formatUsd(budget)}`}`;
  const line = (usd: number, kind: string) =>
    html`<line class=${kind} x1=${LEFT} x2=${width} y1=${y(usd)} y2=${y(usd)} />`;
  const amount = (usd: number) =>
    html`<text class="plot-label" x=${LEFT - 8} y=${y(usd)} text-anchor="end" dominant-baseline="middle">${usd === 0 ? '$0' : formatUsd(usd)}</text>`;
  return html`<div ref=${frame}><svg class="plot" role="img" aria-label=${label} width=${width} height=${HEIGHT}>
    ${line(0, 'plot-axis')} ${amount(0)}
    ${(budget === null || Math.abs(y(budget) - y(highest)) > 16) && html`${line(highest, 'plot-grid')} ${amount(highest)}`}
    ${days.map(
      (
        { day, usd },
        index,
      ) => html`<rect class=${budget !== null && usd >= budget ? 'plot-bar plot-bar-full' : 'plot-bar'}
        x=${middle(index) - step * 0.35} y=${Math.min(y(usd), y(0) - 1.5)} width=${step * 0.7} height=${usd > 0 ? Math.max(1.5, y(0) - y(usd)) : 0}><title>${writeDay(day)}: ${formatUsd(usd)}</title></rect>`,
    )}
    ${budget !== null && html`${line(budget, 'plot-budget')} ${amount(budget)}<text class="plot-label" x=${width} y=${y(budget) - 6} text-anchor="end">Budget</text>`}
    ${days.map(
      // Counted from today, so that today is named.
      ({ day }, index) =>
        (days.length - 1 - index) % every === 0 &&
        middle(index) > LEFT + 20 &&
        html`<text class="plot-label" x=${Math.min(middle(index), width - 24)} y=${HEIGHT - 6} text-anchor="middle">${writeDay(day)}</text>`,
    )}
  </svg></div>`;
}
