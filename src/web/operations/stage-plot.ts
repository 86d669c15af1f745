import type { OperationsReport } from '../service/types.ts';
import { formatDuration } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { Panel } from './panel.ts';

type Stage = OperationsReport['stages'][number];

const WIDTH = 400;
const BAR = 10;

const STAGE_WORDS: Readonly<Record<Stage['stage'], string>> = {
  generate: 'The call to the model',
  store: 'Storing the original',
  finish: 'Cutting, scaling, encoding',
  publish: 'Publishing',
  deferred: 'Renditions made afterwards',
};

/** How long each stage took in the last 24 hours: half of all pictures, and 95 in 100. */
export function StagePlot({ stages }: { readonly stages: readonly Stage[] }) {
  const longest = Math.max(1, ...stages.map(({ p95Ms }) => p95Ms));
  return html`<${Panel} title="Time by stage">
    ${
      stages.length === 0
        ? html`<p class="muted">No picture was made in the last 24 hours.</p>`
        : html`<p class="muted small">The last 24 hours. The strong bar: half took no longer. The pale one: 95 in 100 took no longer.</p>
          <table class="stages">
            <thead><tr>
              <th scope="col">Stage</th><th scope="col">Half</th><th scope="col">95 in 100</th><th scope="col">Times</th>
            </tr></thead>
            <tbody>${stages.map((stage) => html`<${Row} key=${stage.stage} stage=${stage} longest=${longest} />`)}</tbody>
          </table>`
    }
  <//>`;
}

function Row({ stage: { stage, p50Ms, p95Ms, count }, longest }: { readonly stage: Stage; readonly longest: number }) {
  const width = (ms: number) => Math.max(2, (WIDTH * ms) / longest);
  return html`<tr>
    <th scope="row">${STAGE_WORDS[stage]}
      <svg class="stage-bars" viewBox=${`0 0 ${WIDTH} ${BAR}`} preserveAspectRatio="none" aria-hidden="true">
        <rect class="plot-bar-soft" width=${width(p95Ms)} height=${BAR} /><rect class="plot-bar" width=${width(p50Ms)} height=${BAR} />
      </svg>
    </th>
    <td>${formatDuration(p50Ms)}</td><td>${formatDuration(p95Ms)}</td><td>${count}</td>
  </tr>`;
}
