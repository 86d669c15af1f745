import { createStore, useStore } from '../state/store.ts';
import { html } from './html.ts';

const announcement = createStore('');

/** Has a screen reader read a sentence out, and shows it for a moment: `The picture is deleted.` */
export function announce(sentence: string): void {
  announcement.set('');
  announcement.set(sentence);
  setTimeout(() => {
    if (announcement.get() === sentence) announcement.set('');
  }, 5000);
}

/** Where the sentences of `announce` stand. Once in the page. */
export function Announcements() {
  const sentence = useStore(announcement);
  return html`<p class=${sentence === '' ? 'toast toast-empty' : 'toast'} role="status">${sentence}</p>`;
}
