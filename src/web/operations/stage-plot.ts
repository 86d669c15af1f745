import type { OperationsReport } from '../service/types.ts';
import { formatDuration } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { Panel } from './panel.ts';

type Stage = OperationsReport['stages'][number];

const WIDTH = 400;
const BAR = 18;

/** How long each stage took in the last 24 hours: half of all pictures, and 95 in 100. */
export function StagePlot({ stages }: { readonly stages: readonly Stage[] }) {
  const longest = Math.max(1, ...stages.map(({ p95Ms }) => p95Ms));
  return html`<${Panel} title="Time by stage" isWide>
    ${
      stages.length === 0
        ? html`<p class="muted">No picture was made in the last 24 hours.</p>`
        : html`<p class="muted small">The last 24 hours. The dark bar: half of all took no longer; the light one: 95 in 100.</p>
          <table class="stages">
            <thead><tr><th scope="col">Stage</th><th scope="col"><span class="visually-hidden">As bars</span></th><th scope="col">Half</th><th scope="col">95 in 100</th><th scope="col">Times</th></tr></thead>
            <tbody>${stages.map((stage) => html`<${Row} key=${stage.stage} stage=${stage} longest=${longest} />`)}</tbody>
          </table>`
    }
  <//>`;
}

function Row({ stage: { stage, p50Ms, p95Ms, count }, longest }: { readonly stage: Stage; readonly longest: number }) {
  const width = (ms: number) => Math.max(2, (WIDTH * ms) / longest);
  return html`<tr>
    <th scope="row">${nameOf(stage)}</th>
    <td class="stage-bars"><svg viewBox=${`0 0 ${WIDTH} ${BAR}`} preserveAspectRatio="none" aria-hidden="true">
      <rect class="plot-bar-soft" width=${width(p95Ms)} height=${BAR} /><rect class="plot-bar" width=${width(p50Ms)} height=${BAR} />
    </svg></td>
    <td>${formatDuration(p50Ms)}</td><td>${formatDuration(p95Ms)}</td><td>${count}</td>
  </tr>`;
}

const STAGE_WORDS: Readonly<Record<string, string>> = {
  queue: 'Waiting in the queue',
  generate: 'The call to the model',
  store: 'Storing the original',
  check: 'Checking it',
  finish: 'Cutting, scaling, encoding',
  publish: 'Publishing',
};

function nameOf(stage: string): string {
  return STAGE_WORDS[stage] ?? stage.replaceAll('_', ' ');
}
