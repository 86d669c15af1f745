import type { Model } from '../service/types.ts';
import { html } from '../ui/html.ts';
import { Panel } from './panel.ts';

/** The models, with the days on which their providers shut them down. */
export function ModelsPanel({ models }: { readonly models: readonly Model[] }) {
  const sorted = models.toSorted((one, other) => ((one.shutdownDate ?? '9') < (other.shutdownDate ?? '9') ? -1 : 1));
  return html`<${Panel} title="Models" isWide>
    <div class="scroll" tabindex="0" role="region" aria-label="Models, as a table">
    <table>
      <thead><tr><th scope="col">Model</th><th scope="col">Provider</th><th scope="col">Shut down</th><th scope="col">Now</th></tr></thead>
      <tbody>${sorted.map(
        (model) => html`<tr key=${`${model.provider} ${model.id}`}>
          <th scope="row">${model.id}</th><td>${model.provider}</td><td>${describeShutdown(model.shutdownDate)}</td>
          <td>${model.usable ? 'Can be used' : 'Cannot be used'}</td>
        </tr>`,
      )}</tbody>
    </table>
    </div>
  <//>`;
}

const DAY_MS = 86_400_000;

function describeShutdown(date: string | null) {
  if (date === null) return html`<span class="muted">No date known</span>`;
  const days = Math.ceil((Date.parse(date) - Date.now()) / DAY_MS);
  if (days <= 0) return html`<span class="state state-bad">${date}, over</span>`;
  return html`<span class=${days <= 60 ? 'state state-warn' : ''}>${date}, in ${days} ${days === 1 ? 'day' : 'days'}</span>`;
}
