import type { ImageRecord } from '../service/types.ts';
import { formatBytes, formatTime } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { FactList, LongText, Panel } from './fact-list.ts';
import { asSentence, costWords, cropWords, sizeWords } from './words.ts';

/** What was sent, to whom, what it cost, and what was done in another way than it was asked for. */
export function Making({ record }: { readonly record: ImageRecord }) {
  const { prompt, revisedPrompt, provider, model, requestedSize, cost, warnings, url } = record;
  const size = `${sizeWords(requestedSize)} pixels asked of the model.`;
  return html`<${Panel} title="How it was made">
    <${FactList} facts=${[
      ['Prompt sent', html`<${LongText} name="Prompt sent" text=${prompt} />`],
      [
        'Revised prompt',
        revisedPrompt !== null && revisedPrompt !== ''
          ? html`<${LongText} name="Revised prompt" text=${revisedPrompt} />`
          : null,
      ],
      ['Provider', provider],
      ['Model', model],
      ['Size', url === null ? size : `${size} ${cropWords(requestedSize, record)}`],
      ['Cost', costWords(cost)],
    ]} />
    ${
      warnings.length > 0 &&
      html`<h3>Done in another way than asked for</h3>
      <ul class="warnings">${warnings.map(({ code, detail }) => html`<li key=${`${code} ${detail}`}>${asSentence(detail)}</li>`)}</ul>`
    }
  <//>`;
}

/** The file of the master, and when what happened. */
export function FileFacts({ record }: { readonly record: ImageRecord }) {
  const { mediaId, sha256, bytes, path, createdAt, startedAt, completedAt, expiresAt, pinned } = record;
  const time = (iso: string | null) => iso && html`<time datetime=${iso}>${formatTime(iso)}</time>`;
  const expiry = pinned ? 'Never by a cleanup: it is pinned' : time(expiresAt);
  return html`<${Panel} title="File and times">
    <${FactList} facts=${[
      ['Name', html`<code>${mediaId}</code>`],
      ['SHA-256', sha256 && html`<code>${sha256}</code>`],
      ['Size of the file', bytes === null ? null : `${formatBytes(bytes)} (${bytes.toLocaleString('en')} bytes)`],
      ['Kept at', path && html`<code>${path}</code>`],
      ['Asked for', time(createdAt)],
      ['Started', time(startedAt)],
      ['Ended', time(completedAt)],
      ['Deleted', expiry],
    ]} />
  <//>`;
}
