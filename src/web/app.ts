import { useEffect, useRef } from 'preact/hooks';
import { ConnectionBanner } from './connection-banner.ts';
import { KeyDialog, KeyMenu } from './key.ts';
import { usePage } from './state/page.ts';
import { hashOf, NO_FILTERS, type Place } from './state/places.ts';
import { may } from './state/session.ts';
import { useStore } from './state/store.ts';
import { Announcements } from './ui/announce.ts';
import { html } from './ui/html.ts';
import { View } from './view.ts';

/** The whole page: the navigation, and the view of the place where it is. */
export function App() {
  const { place: current, session } = usePage();
  const place = useStore(current);
  const state = useStore(session);
  const main = useRef<HTMLElement>(null);
  useTitleAndFocus(place, main);
  const link = (to: Exclude<Place, { name: 'unknown' }>, text: string) =>
    html`<a href=${hashOf(to)} aria-current=${to.name === place.name ? 'page' : undefined}>${text}</a>`;
  const skip = (event: Event) => {
    event.preventDefault();
    main.current?.focus();
  };
  return html`
    <a class="skip-link" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="bar">
      <a class="brand" href="#/" aria-label="Easel">Easel</a>
      <nav aria-label="Main">
        ${link({ name: 'gallery', filters: NO_FILTERS }, 'Gallery')}
        ${link({ name: 'make', from: null, input: null }, 'Make')}
        ${may(state, 'admin') && link({ name: 'operations' }, 'Operations')}
      </nav>
      <${KeyMenu} />
    </header>
    <${ConnectionBanner} />
    <main id="main" ref=${main} tabindex="-1">${state.asking !== 'forgotten' && html`<${View} place=${place} />`}</main>
    <${Announcements} />
    ${state.asking !== null && html`<${KeyDialog} />`}
  `;
}

const TITLES: Readonly<Record<Exclude<Place['name'], 'picture'>, string>> = {
  gallery: 'Gallery',
  make: 'Make',
  operations: 'Operations',
  unknown: 'Not found',
};

/** Names the place in the title, and moves the focus to the new view, as a browser does for a new page; not to the first one. */
function useTitleAndFocus(place: Place, main: { readonly current: HTMLElement | null }): void {
  const shown = useRef<string | null>(null);
  useEffect(() => {
    // A picture's view names itself by what the picture shows.
    if (place.name !== 'picture') document.title = `${TITLES[place.name]} · Easel`;
    const view = place.name === 'picture' ? place.mediaId : place.name;
    if (shown.current !== null && shown.current !== view) main.current?.focus({ preventScroll: true });
    shown.current = view;
  }, [place]);
}
