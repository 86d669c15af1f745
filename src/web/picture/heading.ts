import { Actions } from '../picture-actions/actions.ts';
import type { ImageRecord } from '../service/types.ts';
import { hashOf, NO_FILTERS } from '../state/places.ts';
import { formatTime, formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { shortened, subjectOf } from '../ui/picture-name.ts';
import { STATUS_WORDS } from '../ui/words.ts';

/** Characters of a heading: longer prompts stand in full below. */
const HEADING_LENGTH = 120;

/** What the picture shows, how it stands, and what can be done with it. */
export function Heading({ record }: { readonly record: ImageRecord }) {
  const { status, createdAt, completedAt, labels, pinned, preset, provider, model, cost } = record;
  return html`<header class="picture-heading">
    <h1 dir="auto">${shortened(subjectOf(record), HEADING_LENGTH)}</h1>
    <p class="picture-line">
      ${completedAt !== null && html`<span class=${`status status-${status}`}>${STATUS_WORDS[status]}</span>`}
      <span class="muted">${formatTime(createdAt)}</span>
      ${preset !== null && html`<span class="muted">Preset ${preset}</span>`}
    </p>
    <p class="picture-line muted">
      <span>${provider === model ? provider : `${provider} · ${model}`}</span>
      ${completedAt !== null && cost.usd !== null && cost.usd > 0 && html`<span>${formatUsd(cost.usd)}</span>`}
    </p>
    ${
      (labels.length > 0 || pinned) &&
      html`<ul class="picture-labels" aria-label="Labels">
        ${pinned && html`<li key="pin" class="label label-pin">Pinned</li>`}
        ${labels.map(
          (label) =>
            html`<li key=${`label ${label}`}>
              <a class="label" href=${hashOf({ name: 'gallery', filters: { ...NO_FILTERS, label: [label] } })}>${label}</a>
            </li>`,
        )}
      </ul>`
    }
    <${Actions} record=${record} />
  </header>`;
}
