import { goTo } from '../state/navigation.ts';
import { hashOf, NO_FILTERS, parsePlace } from '../state/places.ts';
import { html } from '../ui/html.ts';

const GALLERY = { name: 'gallery', filters: NO_FILTERS } as const;

/** The hash of the gallery, with its filters, where the place before this one in the tab's history is the gallery; else null. */
function galleryBefore(): string | null {
  // Not every browser has it.
  if (typeof navigation === 'undefined') return null;
  const index = navigation.currentEntry?.index ?? -1;
  const before = navigation.entries()[index - 1];
  if (!before?.sameDocument || before.url === null) return null;
  const { hash } = new URL(before.url);
  return parsePlace(hash).name === 'gallery' ? hash || '#/' : null;
}

/** Leaves for the gallery: back to where it was, if it came before, so that it keeps filters and place. */
export function leaveForGallery(): void {
  if (galleryBefore() !== null) history.back();
  else goTo(GALLERY, { replace: true });
}

/** A link to the gallery that goes back where the gallery came before. */
export function BackLink() {
  const back = (event: MouseEvent) => {
    if (galleryBefore() === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    history.back();
  };
  return html`<a class="back-link" href=${galleryBefore() ?? hashOf(GALLERY)} onClick=${back}>
    <span aria-hidden="true">←</span> Back to the gallery
  </a>`;
}
