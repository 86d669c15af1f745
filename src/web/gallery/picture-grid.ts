import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { useStore } from '../state/store.ts';
import { html } from '../ui/html.ts';
import { Card, EmptyCard } from './card.ts';
import { countAll, entryAt, hasMore, indexOf } from './list-pages.ts';
import type { PictureList } from './picture-list.ts';
import type { SavedPlace } from './saved-place.ts';
import { useCardFocus } from './use-card-focus.ts';
import { useWindow } from './use-window.ts';
import { type Geometry, mountedRows, type Rows, rangesOf } from './window.ts';

interface PictureGridProps {
  readonly list: PictureList;
  /** The place to begin at, and where it is saved. */
  readonly start: SavedPlace | null;
  readonly save: (place: Omit<SavedPlace, 'hash'>) => void;
}

/** Cards that stand for the first page while it is read. */
const FIRST_CARDS = 12;

/** The pictures, of which only those around the window are in the document. */
export function PictureGrid({ list, start, save }: PictureGridProps) {
  const { pages, waiting } = useStore(list);
  const grid = useRef<HTMLUListElement>(null);
  const total = countAll(pages);
  const isRead = pages.some(({ entries }) => entries !== null);
  const { shown, anchor } = useWindow(grid, {
    start: start && { ...start, mediaId: entryAt(start.pages, start.index)?.mediaId ?? null },
    version: pages,
    idAt: (index) => entryAt(pages, index)?.mediaId ?? null,
    indexOf: (mediaId) => indexOf(pages, mediaId),
  });
  const { geometry, visible, isAtTop } = shown;
  const { columns } = geometry;
  const focus = useCardFocus(grid, { pages, columns, visible, start: start?.focused ?? null });
  const count = isRead || total > 0 ? total : FIRST_CARDS;
  const rows = Math.ceil(count / columns);
  const mounted = mountedRows(visible, columns, rows);

  useEffect(() => list.hold(focus.focused), [list, focus.focused]);
  useEffect(
    () => list.show({ first: visible.first * columns, end: visible.end * columns }),
    [list, visible.first, visible.end, columns, isAtTop],
  );
  useSaving(list, () => {
    const at = anchor.current;
    save({
      pages: list.get().pages,
      index: at?.index ?? 0,
      top: at?.top ?? 0,
      columns,
      pitch: geometry.pitch,
      focused: focus.focused,
    });
  });

  const showWaiting = () => {
    scrollTo({ top: 0, behavior: 'instant' });
    list.showWaiting();
    const first = waiting[0];
    // The button goes away with what it showed.
    if (first) focus.moveTo(first.mediaId);
  };
  const setSize = hasMore(pages) ? -1 : total;
  const card = (index: number) => {
    const summary = entryAt(pages, index);
    if (summary === null) return html`<${EmptyCard} key=${`place-${index}`} />`;
    const { mediaId } = summary;
    return html`<${Card} key=${mediaId} summary=${summary} position=${index + 1} setSize=${setSize}
      isTabStop=${focus.tabStop === mediaId} onLost=${list.refresh} />`;
  };
  return html`
    <div class="gallery-new" role="status">
      ${
        waiting.length > 0 &&
        html`<button type="button" class="primary" onClick=${showWaiting}>
          ${waiting.length === 1 ? '1 new picture' : `${waiting.length} new pictures`}
        </button>`
      }
    </div>
    <ul ref=${grid} class="gallery-grid" aria-label="Pictures" aria-busy=${!isRead} ...${focus.handlers}>
      ${layOut(rangesOf(mounted, focus.index < 0 ? -1 : Math.floor(focus.index / columns)), rows, geometry, count, card)}
    </ul>
  `;
}

/** The cards of the mounted rows, and between them room for the others. */
function layOut(
  ranges: readonly Rows[],
  rows: number,
  { columns, pitch, gap }: Geometry,
  count: number,
  card: (index: number) => unknown,
) {
  const items: unknown[] = [];
  let row = 0;
  for (const { first, end } of [...ranges, { first: rows, end: rows }]) {
    if (first > row)
      items.push(
        html`<${Spacer} key=${`space-${items.length && 1}-${first === rows}`} height=${(first - row) * pitch - gap} />`,
      );
    for (let index = first * columns; index < Math.min(end * columns, count); index++) items.push(card(index));
    row = end;
  }
  return items;
}

function Spacer({ height }: { readonly height: number }) {
  // The page has no inline styles: the attribute of an svg is what takes a height that depends on data.
  return html`<li class="gallery-space" aria-hidden="true"><svg width="1" height=${Math.max(0, height)}></svg></li>`;
}

/** Saves the place when the view is left, and before Reload. */
function useSaving(list: PictureList, save: () => void): void {
  const latest = useRef(save);
  latest.current = save;
  useLayoutEffect(() => {
    const leave = () => latest.current();
    addEventListener('pagehide', leave);
    return () => {
      removeEventListener('pagehide', leave);
      leave();
    };
  }, [list]);
}
