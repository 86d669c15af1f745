import type { Model } from '../service/types.ts';
import { html } from '../ui/html.ts';
import { Panel } from './panel.ts';

/** The models, with the days on which their providers shut them down: first those whose day is near. */
export function ModelsPanel({ models }: { readonly models: readonly Model[] }) {
  return html`<${Panel} title="Models" isWide>
    <table class="models">
      <thead><tr><th scope="col">Model</th><th scope="col">Shut down</th><th scope="col">Now</th></tr></thead>
      <tbody>${models
        .toSorted((one, other) => (rankOf(one) < rankOf(other) ? -1 : 1))
        .map(
          (model) => html`<tr key=${`${model.provider} ${model.id}`} class=${model.usable ? undefined : 'muted'}>
          <th scope="row">${model.id} <span class="small muted">${model.provider}</span></th><td>${describeShutdown(model)}</td>
          <td>${model.usable ? 'Can be used' : 'Cannot be used'}</td>
        </tr>`,
        )}</tbody>
    </table>
  <//>`;
}

/** What can be used stands first, then by the day. */
function rankOf({ usable, shutdownDate }: Model): string {
  return `${usable ? 0 : 1} ${shutdownDate ?? '9'}`;
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 60;
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });

function describeShutdown({ shutdownDate: date, usable }: Model) {
  if (date === null) return html`<span class="muted">No date known</span>`;
  const days = Math.ceil((Date.parse(date) - Date.now()) / DAY_MS);
  const written = dateFormat.format(new Date(date));
  if (days <= 0) return html`<span class=${usable ? 'state state-bad' : ''}>${written}, over</span>`;
  const kind = usable && days <= SOON_DAYS ? 'state state-warn' : '';
  return html`<span class=${kind}>${written}, in ${days} ${days === 1 ? 'day' : 'days'}</span>`;
}
