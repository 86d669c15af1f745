import { html } from '../ui/html.ts';

export function Picture() {
  return html`<h1>Picture</h1>`;
}
