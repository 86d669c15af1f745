import type { UsageReport } from '../service/types.ts';
import { formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { Figure, Panel } from './panel.ts';
import { type DaySpending, spendingByDay, writeDay } from './spending.ts';
import { useWidth } from './use-width.ts';

/** CSS pixels, as the plot is drawn as wide as its panel: its letters have one size on every screen. */
const HEIGHT = 200;
const LEFT = 64;
const BOTTOM = 24;
const TOP = 16;
/** Least distance between two amounts. */
const LINE_HEIGHT = 16;
/** Least distance between two days that are named. */
const LABEL_WIDTH = 90;

/** What was spent on each day, against the budget, as bars; the same as a table. */
export function SpendPlot({ usage }: { readonly usage: UsageReport }) {
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
        <tbody>${days.toReversed().map(
          ({ day, images, usd }) => html`<tr key=${day}>
            <th scope="row">${writeDay(day)}</th><td>${images}</td><td>${formatUsd(usd)}</td>
          </tr>`,
        )}</tbody>
      </table>
    </details>
  <//>`;
}

function Bars({ days, budget }: { readonly days: readonly DaySpending[]; readonly budget: number | null }) {
  const [frame, width] = useWidth();
  const highest = Math.max(...days.map(({ usd }) => usd));
  const limit = budget === null ? '' : `; the budget is ${formatUsd(budget)}`;
  const label = `Spending a day, ${days.at(0)?.day} to ${days.at(-1)?.day}: at most ${formatUsd(highest)}${limit}`;
  // Before the frame is laid out there is no room to draw in.
  const isDrawn = width > LEFT;
  return html`<div ref=${frame}>
    <svg class="plot" role="img" aria-label=${label} width=${width} height=${HEIGHT}>
      ${isDrawn && html`<${Amounts} highest=${highest} budget=${budget} width=${width} />`}
      ${isDrawn && html`<${DayBars} days=${days} top=${topOf(highest, budget)} budget=${budget} width=${width} />`}
    </svg>
  </div>`;
}

interface AmountsProps {
  readonly highest: number;
  readonly budget: number | null;
  readonly width: number;
}

/** The lines across the plot with their amounts: nothing, the most of a day, and the budget. */
function Amounts({ highest, budget, width }: AmountsProps) {
  const top = topOf(highest, budget);
  const amounts = [
    { usd: 0, kind: 'plot-axis' },
    ...(budget === null ? [] : [{ usd: budget, kind: 'plot-budget' }]),
    { usd: highest, kind: 'plot-grid' },
  ];
  // One that would stand on another is left out.
  const apart = amounts.filter(({ usd }, index) =>
    amounts.slice(0, index).every((other) => Math.abs(yOf(usd, top) - yOf(other.usd, top)) > LINE_HEIGHT),
  );
  return html`
    ${apart.map(({ usd, kind }) => html`<line key=${kind} class=${kind} x1=${LEFT} x2=${width} y1=${yOf(usd, top)} y2=${yOf(usd, top)} />`)}
    ${apart.map(
      ({ usd, kind }) => html`<text key=${`${kind} amount`} class="plot-label" x=${LEFT - 8} y=${yOf(usd, top)}
        text-anchor="end" dominant-baseline="middle">${usd === 0 ? '$0' : formatUsd(usd)}</text>`,
    )}
    ${budget !== null && html`<text class="plot-label" x=${width} y=${yOf(budget, top) - 6} text-anchor="end">Budget</text>`}
  `;
}

interface DayBarsProps {
  readonly days: readonly DaySpending[];
  readonly top: number;
  readonly budget: number | null;
  readonly width: number;
}

function DayBars({ days, top, budget, width }: DayBarsProps) {
  const step = (width - LEFT) / days.length;
  const middle = (index: number) => LEFT + (index + 0.5) * step;
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / step));
  // Counted from today, so that today is named.
  const isNamed = (index: number) => (days.length - 1 - index) % every === 0 && middle(index) > LEFT + 20;
  const bar = ({ day, usd }: DaySpending, index: number) => {
    const height = usd > 0 ? Math.max(1.5, yOf(0, top) - yOf(usd, top)) : 0;
    const kind = budget !== null && usd >= budget ? 'plot-bar plot-bar-full' : 'plot-bar';
    return html`<rect key=${day} class=${kind} x=${middle(index) - step * 0.35} y=${yOf(0, top) - height}
      width=${step * 0.7} height=${height}><title>${writeDay(day)}: ${formatUsd(usd)}</title></rect>`;
  };
  return html`
    ${days.map(bar)}
    ${days.map(
      ({ day }, index) =>
        isNamed(index) &&
        html`<text key=${`${day} name`} class="plot-label" x=${Math.min(middle(index), width - 24)} y=${HEIGHT - 6}
          text-anchor="middle">${writeDay(day)}</text>`,
    )}
  `;
}

/** The amount at the upper end of the plot. */
function topOf(highest: number, budget: number | null): number {
  return Math.max(highest, budget ?? 0) * 1.05;
}

function yOf(usd: number, top: number): number {
  return TOP + (HEIGHT - TOP - BOTTOM) * (1 - usd / top);
}
