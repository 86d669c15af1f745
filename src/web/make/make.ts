import { html } from '../ui/html.ts';

export function Make() {
  return html`<h1>Make</h1>`;
}
