import type { ImageRecord } from '../service/types.ts';
import { html } from '../ui/html.ts';
import { Panel } from './fact-list.ts';
import { checkWords, VERDICT_WORDS } from './words.ts';

/** What the checks of the picture found, with the least value that passes. */
export function Checks({ checks }: { readonly checks: ImageRecord['checks'] }) {
  return html`<${Panel} title="Checks">
    <ul class="checks">${checks.map(({ name, value, threshold, verdict }) => {
      const { title, finds } = checkWords(name);
      return html`<li key=${name} class=${`check check-${verdict}`}>
        <p><strong>${title}</strong> <span class="verdict">${VERDICT_WORDS[verdict]}</span></p>
        <p class="muted small">${value}, at least ${threshold} is wanted: ${finds} (${name}).</p>
      </li>`;
    })}</ul>
  <//>`;
}
