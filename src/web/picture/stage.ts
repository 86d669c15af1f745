import { httpWords } from '../picture-facts/words.ts';
import type { ImageRecord } from '../service/types.ts';
import type { KnownImage } from '../state/images.ts';
import { formatDuration } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { useNow } from '../ui/now.ts';
import { altOf } from '../ui/picture-name.ts';
import { explain, STATUS_WORDS } from '../ui/words.ts';
import { MasterPicture } from './master-picture.ts';

interface StageProps {
  readonly known: KnownImage;
  readonly readAgain: () => void;
}

/** The picture; while it is made how far it is; and where there is none, why. */
export function Stage({ known, readAgain }: StageProps) {
  const { record, partial } = known;
  if (record.url !== null) return html`<${MasterPicture} record=${record} readAgain=${readAgain} />`;
  if (record.status === 'failed' || record.status === 'cancelled') return html`<${Ending} record=${record} />`;
  return html`<${Progress} record=${record} partial=${partial} />`;
}

function Progress({ record, partial }: { readonly record: ImageRecord; readonly partial: KnownImage['partial'] }) {
  const now = useNow(true);
  const since = Date.parse(record.statusSince ?? record.createdAt);
  const { width, height } = record;
  return html`<figure class="stage stage-running">
    <div class="stage-mat">
      ${
        partial === null
          ? html`<svg class="stage-frame" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true"></svg>`
          : html`<img class="stage-picture" src=${`data:image/png;base64,${partial.base64}`} width=${width} height=${height}
              alt=${`${altOf(record)}, not finished`} />`
      }
    </div>
    <figcaption class="stage-progress">
      <p class="stage-status">
        <span role="status">${STATUS_WORDS[record.status]}</span>
        <span class="muted">${formatDuration(Math.max(0, now - since))}</span>
      </p>
      <p class="muted">${progressWords(record)}${partial !== null && ' This is a first look at it.'}</p>
    </figcaption>
  </figure>`;
}

/** What is happening to a picture that is not finished, in a sentence. */
export function progressWords(record: ImageRecord): string {
  const { status, queuePosition, provider, model, attempts } = record;
  if (status === 'queued') {
    if (queuePosition === null) return 'It waits for its turn.';
    return queuePosition === 1 ? 'It is next in the queue.' : `It has place ${queuePosition} in the queue.`;
  }
  if (status === 'processing') return 'The picture has come. It is checked, cut to size and stored.';
  const last = attempts.at(-1);
  if (last === undefined || last.outcome === 'running') return `${provider} makes it with ${model}.`;
  return `The last call to ${last.provider} brought no picture (${httpWords(last)}). The next one follows.`;
}

/** Why there is no picture, and what to do. */
function Ending({ record }: { readonly record: ImageRecord }) {
  const { status, error, warnings } = record;
  const { title, advice } =
    status === 'cancelled'
      ? { title: 'It was cancelled', advice: 'Retry makes it after all; Again with changes starts another one.' }
      : explain(error?.code ?? 'internal_error');
  const kept = warnings.find(({ code }) => code === 'picture_kept');
  return html`<section class=${`stage stage-ended stage-${status}`} aria-label="Why there is no picture">
    <p class="stage-reason">${title}</p>
    ${error !== null && html`<p>${error.detail}</p>`}
    ${kept && html`<p>The picture came all the same, and is kept: a retry finishes it without paying again.</p>`}
    <p>${advice}</p>
  </section>`;
}
