import { render } from 'preact';
import { App } from './app.ts';
import { openPage, PageProvider } from './state/page.ts';
import { html } from './ui/html.ts';

const root = document.getElementById('app');
if (root !== null) {
  // The document's own content is for the time until here.
  root.replaceChildren();
  render(html`<${PageProvider} value=${openPage()}><${App} /><//>`, root);
}
