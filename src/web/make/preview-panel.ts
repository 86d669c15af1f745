import { formatUsd } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { nameField } from '../ui/words.ts';
import { describeCrop } from './crop.ts';
import { CropDrawing } from './crop-drawing.ts';
import type { LivePreview } from './live-preview.ts';

const BASIS_WORDS = {
  usage: 'by what earlier calls took',
  estimate: 'an estimate; the provider counts in the end',
  unknown: 'no price is known for this model',
  none: 'this provider costs nothing',
} as const;

interface PreviewPanelProps extends LivePreview {
  /** Whether the key may ask for it. */
  readonly isOffered: boolean;
  /** The size that the picture gets, as far as the form knows it. */
  readonly wanted: string | null;
}

/** What would be sent and what it would cost, before anything is paid. */
export function PreviewPanel({ preview, error, isLoading, isOffered, wanted }: PreviewPanelProps) {
  const hint = isOffered ? 'Say what to show, and it stands here.' : 'Keys that may make pictures see it here.';
  return html`<section class="preview" aria-labelledby="preview-title" aria-busy=${isLoading ? 'true' : 'false'}>
    <h2 id="preview-title">What would be sent</h2>
    ${!preview && !error && html`<p class="muted">${isLoading ? 'Working it out …' : hint}</p>`}
    ${error?.problem && !error.problem.errors && html`<${ErrorNotice} error=${error} />`}
    ${
      error?.problem?.errors &&
      html`<p class="field-error">Not right yet:</p>
        <ul class="preview-errors small">${error.problem.errors.map(
          ({ path, message }) => html`<li><strong>${nameField(path)}:</strong> ${message}</li>`,
        )}</ul>`
    }
    ${
      preview &&
      html`<h3>Final prompt</h3>
        <p class="final-prompt" tabindex="0" role="group" aria-label="Final prompt">${preview.prompt}</p>
        <h3>Size</h3>
        <${CropDrawing} preview=${preview} description=${describeCrop(preview, wanted)} />
        <p class="small muted" aria-hidden="true">${describeCrop(preview, wanted)}</p>
        <h3>Estimated cost</h3>
        <p>
          <strong class="cost">${formatUsd(preview.cost.usd)}</strong>${' '}
          <span class="small muted">${BASIS_WORDS[preview.cost.basis]}</span>
        </p>
        <p class="small muted">${describeProviders(preview.providers)}</p>
        ${describeDropped(preview.parametersDropped).map((sentence) => html`<p class="small">${sentence}</p>`)}`
    }
  </section>`;
}

function describeProviders([first = '', ...others]: readonly string[]): string {
  const rest = others.length === 0 ? '' : `; if it is down, by ${others.join(', then ')}`;
  return `Made by ${first}${rest}.`;
}

/** What the model has no parameter for, in sentences. */
function describeDropped(parameters: readonly string[]): readonly string[] {
  const named = parameters.filter((name) => name !== 'partials');
  return [
    ...(named.length > 0
      ? [`The model has no parameter for ${named.join(', ')}; where words can say it, the prompt does.`]
      : []),
    ...(named.length < parameters.length ? ['The model does not show the picture while it is painted.'] : []),
  ];
}
