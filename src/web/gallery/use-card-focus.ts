import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { countAll, entryAt, indexOf, type ListPage } from './list-pages.ts';
import type { Rows } from './window.ts';

interface CardFocusOptions {
  readonly pages: readonly ListPage[];
  readonly columns: number;
  readonly visible: Rows;
  /** The image to begin at, as Back comes from its view; null for none. */
  readonly start: string | null;
}

/**
 * The focus within the grid: one card is a stop of Tab, and the arrow keys, Home, End, PageUp and PageDown move from it. It stays with its
 * image while cards are mounted, moved and changed; of an image that is deleted it goes to the one that takes its place.
 */
export function useCardFocus(
  grid: { readonly current: HTMLElement | null },
  { pages, columns, visible, start }: CardFocusOptions,
) {
  const [active, setActive] = useState<string | null>(start);
  const [isFocused, setFocused] = useState(false);
  const activeIndex = useRef(-1);
  /** Whether the card with the focus has to come on show. */
  const isMoving = useRef(false);
  const index = active === null ? -1 : indexOf(pages, active);
  const total = countAll(pages);

  const moveTo = (mediaId: string) => {
    isMoving.current = true;
    setActive(mediaId);
    setFocused(true);
  };

  useLayoutEffect(() => {
    if (index >= 0) activeIndex.current = index;
    if (!isFocused || active === null) return;
    if (index < 0) {
      const next = entryAt(pages, Math.min(activeIndex.current, total - 1));
      if (next !== null) setActive(next.mediaId);
      return;
    }
    const link = grid.current?.querySelector<HTMLElement>(`[data-media-id="${CSS.escape(active)}"]`);
    if (!link) return;
    if (document.activeElement !== link) link.focus({ preventScroll: true });
    // The first row brings the view's heading with it, and lets new pictures in.
    if (isMoving.current && index < columns) scrollTo({ top: 0, behavior: 'instant' });
    else if (isMoving.current) link.scrollIntoView({ block: 'nearest' });
    isMoving.current = false;
  });

  useEffect(() => {
    if (start === null) return;
    // After the shell, which gives a new view the focus.
    const timer = setTimeout(() => {
      const { activeElement } = document;
      if (activeElement === document.body || activeElement?.id === 'main') setFocused(true);
    });
    return () => clearTimeout(timer);
  }, []);

  const onFocusIn = (event: FocusEvent) => {
    const mediaId = idOf(event.target);
    if (mediaId === null) return;
    setActive(mediaId);
    setFocused(true);
  };
  const onFocusOut = (event: FocusEvent) => {
    const { target, relatedTarget } = event;
    if (relatedTarget instanceof Node && grid.current?.contains(relatedTarget)) return;
    // A card that is moved or removed loses the focus without the reader's doing, and is given it back.
    setTimeout(() => {
      const isLeft = document.activeElement !== document.body || (target instanceof Node && target.isConnected);
      if (isLeft && !grid.current?.contains(document.activeElement)) setFocused(false);
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || idOf(event.target) === null) return;
    const to = destination(event.key, { index, columns, visible, total });
    if (to === null) return;
    event.preventDefault();
    const entry = entryAt(pages, to);
    if (entry !== null) moveTo(entry.mediaId);
  };

  const isActiveMounted = index >= visible.first * columns && index < visible.end * columns;
  const tabStop = isFocused || isActiveMounted ? active : firstOf(pages, visible.first * columns);
  return {
    /** The image with the focus; null while the focus is elsewhere. */
    focused: isFocused ? active : null,
    /** Its place; -1 for none. */
    index: isFocused ? index : -1,
    tabStop: index < 0 ? firstOf(pages, visible.first * columns) : tabStop,
    moveTo,
    handlers: { onFocusIn, onFocusOut, onKeyDown },
  };
}

function idOf(target: EventTarget | null): string | null {
  return target instanceof Element ? (target.getAttribute('data-media-id') ?? null) : null;
}

function firstOf(pages: readonly ListPage[], from: number): string | null {
  return (entryAt(pages, from) ?? entryAt(pages, 0))?.mediaId ?? null;
}

interface Grid {
  readonly index: number;
  readonly columns: number;
  readonly visible: Rows;
  readonly total: number;
}

/** Where a key leads to; null for a key that does not move. */
function destination(key: string, { index, columns, visible, total }: Grid): number | null {
  const screen = Math.max(1, visible.end - visible.first - 1) * columns;
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    PageDown: screen,
    PageUp: -screen,
    Home: -index,
    End: total,
  };
  const step = steps[key];
  if (step === undefined || index < 0 || total === 0) return null;
  const to = index + step;
  // Up from the first row and left from the first card stay.
  if (to < 0) return key === 'PageUp' ? index % columns : index;
  return Math.min(to, total - 1);
}
