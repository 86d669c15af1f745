import { hashOf, type Place, parsePlace } from './places.ts';
import { createStore, type Store } from './store.ts';

/** The place where the page is, as a store; it follows Back, Forward and links. */
export function watchPlace(): Pick<Store<Place>, 'get' | 'subscribe'> {
  const place = createStore(parsePlace(location.hash));
  addEventListener('hashchange', () => place.set(parsePlace(location.hash)));
  return place;
}

/** Goes to a place, as a link to it does; with `replace` Back does not return to the present one. */
export function goTo(place: Exclude<Place, { readonly name: 'unknown' }>, { replace = false } = {}): void {
  const hash = hashOf(place);
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(history.state, '', hash);
  // replaceState fires no event.
  dispatchEvent(new HashChangeEvent('hashchange'));
}
