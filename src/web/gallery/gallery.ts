import { html } from '../ui/html.ts';

export function Gallery() {
  return html`<h1>Gallery</h1>`;
}
