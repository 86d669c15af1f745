import type { Usage } from '../service/types.ts';
import { formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { Fact, Panel } from './panel.ts';
import { type DaySpending, spendingByDay } from './spending.ts';

const WIDTH = 640;
const HEIGHT = 180;
/** Room for the labels. */
const LEFT = 56;
const BOTTOM = 22;
const TOP = 12;

/** What was spent on each day, against the budget, as bars; the same as a table. */
export function SpendPlot({ usage }: { readonly usage: Usage }) {
  const { usdPerDay, spent, reserved } = usage.budget;
  const days = spendingByDay(usage.days);
  const total = days.reduce((sum, { usd }) => sum + usd, 0);
  return html`<${Panel} title="Spending" isWide>
    <dl class="facts">
      <${Fact} name="Today">${formatUsd(spent)}<//>
      <${Fact} name="Held back">${formatUsd(reserved)}<//>
      <${Fact} name="Budget a day">${usdPerDay === null ? 'None' : formatUsd(usdPerDay)}<//>
      <${Fact} name=${`The last ${days.length} days`}>${formatUsd(total)}<//>
    </dl>
    <${Bars} days=${days} budget=${usdPerDay} />
    <details>
      <summary>As a table</summary>
      <table>
        <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Pictures</th><th scope="col">Spent</th></tr></thead>
        <tbody>${days.toReversed().map(({ day, images, usd }) => html`<tr><th scope="row">${day}</th><td>${images}</td><td>${formatUsd(usd)}</td></tr>`)}</tbody>
      </table>
    </details>
  <//>`;
}

function Bars({ days, budget }: { readonly days: readonly DaySpending[]; readonly budget: number | null }) {
  const most = Math.max(...days.map(({ usd }) => usd), budget ?? 0);
  const top = most === 0 ? 1 : most * 1.05;
  const plotWidth = WIDTH - LEFT;
  const plotHeight = HEIGHT - TOP - BOTTOM;
  const y = (usd: number) => TOP + plotHeight * (1 - usd / top);
  const step = plotWidth / Math.max(1, days.length);
  const first = days.at(0);
  const last = days.at(-1);
  const label = `Spending a day, ${first?.day} to ${last?.day}: at most ${formatUsd(Math.max(0, ...days.map(({ usd }) => usd)))}${budget === null ? '' : `; the budget is ${formatUsd(budget)}`}`;
  return html`<svg class="plot" role="img" aria-label=${label} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}>
    <line class="plot-axis" x1=${LEFT} x2=${WIDTH} y1=${y(0)} y2=${y(0)} />
    <text class="plot-label" x=${LEFT - 6} y=${y(0)} text-anchor="end" dominant-baseline="middle">$0</text>
    ${most > 0 && html`<text class="plot-label" x=${LEFT - 6} y=${y(most)} text-anchor="end" dominant-baseline="middle">${formatUsd(most)}</text>`}
    ${days.map(({ day, usd }, index) => {
      const height = y(0) - y(usd);
      return html`<rect class=${budget !== null && usd >= budget ? 'plot-bar plot-bar-full' : 'plot-bar'} x=${LEFT + index * step + step * 0.15}
        y=${y(usd)} width=${step * 0.7} height=${usd > 0 ? Math.max(1.5, height) : 0}><title>${day}: ${formatUsd(usd)}</title></rect>`;
    })}
    ${budget !== null && html`<line class="plot-budget" x1=${LEFT} x2=${WIDTH} y1=${y(budget)} y2=${y(budget)} />`}
    <text class="plot-label" x=${LEFT} y=${HEIGHT - 6}>${first?.day}</text>
    <text class="plot-label" x=${WIDTH} y=${HEIGHT - 6} text-anchor="end">${last?.day}</text>
  </svg>`;
}
