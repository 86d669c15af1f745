import { useEffect, useLayoutEffect, useMemo, useState } from 'preact/hooks';
import { usePage } from '../state/page.ts';
import { type Filters, hashOf } from '../state/places.ts';
import { useStore } from '../state/store.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { FilterBar, hasFilters } from './filter-bar.ts';
import { countAll, hasMore, UNREAD } from './list-pages.ts';
import { NoPictures, NothingMatches } from './nothing.ts';
import { PictureGrid } from './picture-grid.ts';
import { openPictureList } from './picture-list.ts';
import { findPlace, historyEntry, type SavedPlace, savePlace } from './saved-place.ts';
import { isAtTop } from './use-window.ts';

interface GalleryProps {
  readonly filters: Filters;
}

/** The view of all pictures, newest first. */
export function Gallery({ filters }: GalleryProps) {
  const { session, images } = usePage();
  const { key } = useStore(session);
  const hash = hashOf({ name: 'gallery', filters });
  useLayoutEffect(() => {
    history.scrollRestoration = 'manual';
    // The gallery keeps less of an image than its record.
    images.keepOnly(() => false);
    return () => scrollTo({ top: 0, behavior: 'instant' });
  }, []);
  return html`
    <div class="gallery-head">
      <h1>Gallery</h1>
      <${FilterBar} filters=${filters} />
    </div>
    <${Pictures} key=${`${hash} ${key}`} hash=${hash} filters=${filters} />
  `;
}

interface PicturesProps extends GalleryProps {
  readonly hash: string;
}

function Pictures({ hash, filters }: PicturesProps) {
  const page = usePage();
  const [{ entry, key, start }] = useState(() => openPlace(hash, page.session.get().key));
  const list = useMemo(() => openPictureList({ ...page, isAtTop }, filters, start?.pages ?? UNREAD), []);
  useEffect(() => list.close, [list]);
  const { pages, waiting, isReading, error } = useStore(list);
  const total = countAll(pages);
  const isEmpty = total === 0 && waiting.length === 0 && !hasMore(pages);
  if (isEmpty) return hasFilters(filters) ? html`<${NothingMatches} />` : html`<${NoPictures} />`;
  const save = (place: Omit<SavedPlace, 'hash'>) => savePlace(entry, key, { ...place, hash });
  const isFailed = error !== null;
  return html`
    ${!(isFailed && total === 0) && html`<${PictureGrid} list=${list} start=${start} save=${save} />`}
    <div class="gallery-foot">
      ${isFailed && html`<${ErrorNotice} error=${error} onRetry=${list.readOn} />`}
      ${
        !isFailed &&
        (hasMore(pages)
          ? html`<button type="button" disabled=${isReading} onClick=${list.readOn}>${isReading ? 'Loading…' : 'Load more'}</button>`
          : html`<p class="muted small">${total === 1 ? 'One picture' : `${total.toLocaleString('en')} pictures`}</p>`)
      }
    </div>
  `;
}

function openPlace(hash: string, key: string | null) {
  const entry = historyEntry();
  return { entry, key, start: findPlace(entry, key, hash) };
}
