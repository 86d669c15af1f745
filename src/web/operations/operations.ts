import { html } from '../ui/html.ts';

export function Operations() {
  return html`<h1>Operations</h1>`;
}
