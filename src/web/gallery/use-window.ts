import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Geometry, type Rows, visibleRows } from './window.ts';

type ElementRef = { readonly current: HTMLElement | null };

/** How the grid lies and what of it is on show. */
export interface Shown {
  readonly geometry: Geometry;
  readonly visible: Rows;
  readonly isAtTop: boolean;
}

/** What was at the window's top when it was last looked at. */
export interface Anchor {
  readonly index: number;
  /** Null where it is not read yet. */
  readonly mediaId: string | null;
  /** Below the window's top. */
  readonly top: number;
}

interface WindowOptions {
  /** The place to begin at; null for the top. */
  readonly start: (Anchor & Pick<Geometry, 'columns' | 'pitch'>) | null;
  /** Changes when the list does: what is on show then stays where it is. */
  readonly version: unknown;
  readonly idAt: (index: number) => string | null;
  readonly indexOf: (mediaId: string) => number;
}

/** CSS pixels. */
const TOP_PX = 48;
const FIRST_GEOMETRY: Geometry = { columns: 4, pitch: 320, gap: 16, top: 160 };

/** Follows the window over the grid, and holds what is on show in its place while the list or the columns change. */
export function useWindow(grid: ElementRef, { start, version, idAt, indexOf }: WindowOptions) {
  const anchor = useRef<Anchor | null>(start);
  const [shown, setShown] = useState<Shown>(() => startOf(start));
  const look = useRef(() => {});
  look.current = () => {
    const next = lookAt(grid.current, shown.geometry);
    const index = next.visible.first * next.geometry.columns;
    const top = next.geometry.top + next.visible.first * next.geometry.pitch - scrollY;
    anchor.current = next.isAtTop ? null : { index, mediaId: idAt(index), top };
    if (!isSame(next, shown)) setShown(next);
  };

  useLayoutEffect(() => {
    if (anchor.current !== null && grid.current !== null) {
      const { columns, pitch, top } = measure(grid.current, shown.geometry);
      const { mediaId, index, top: wanted } = anchor.current;
      const found = mediaId === null ? -1 : indexOf(mediaId);
      const present = top + Math.floor((found < 0 ? index : found) / columns) * pitch - scrollY;
      if (Math.abs(present - wanted) >= 1) scrollBy({ top: present - wanted, behavior: 'instant' });
    }
    look.current();
  }, [version, shown.geometry.columns, shown.geometry.pitch]);

  useLayoutEffect(() => {
    let frame = 0;
    const later = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        look.current();
      });
    };
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    const observer = new ResizeObserver(later);
    if (grid.current) observer.observe(grid.current);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
      observer.disconnect();
    };
  }, []);

  return { shown, anchor };
}

function startOf(start: WindowOptions['start']): Shown {
  if (start === null) return { geometry: FIRST_GEOMETRY, visible: { first: 0, end: 4 }, isAtTop: true };
  const first = Math.floor(start.index / start.columns);
  const geometry = { ...FIRST_GEOMETRY, columns: start.columns, pitch: start.pitch };
  return { geometry, visible: { first, end: first + Math.ceil(innerHeight / start.pitch) + 1 }, isAtTop: false };
}

function lookAt(grid: HTMLElement | null, known: Geometry): Shown {
  const geometry = grid === null ? known : measure(grid, known);
  return { geometry, visible: visibleRows(geometry, scrollY, innerHeight), isAtTop: isAtTop() };
}

/** Whether the window is at the page's top, or so near to it that what comes in front pushes nothing away. */
export function isAtTop(): boolean {
  return scrollY < TOP_PX;
}

/** All rows are as high as any card in them: their lines are of a fixed number. */
function measure(grid: HTMLElement, known: Geometry): Geometry {
  const style = getComputedStyle(grid);
  const gap = Number.parseFloat(style.rowGap) || 0;
  const height = grid.querySelector('.card')?.getBoundingClientRect().height;
  return {
    columns: Math.max(1, style.gridTemplateColumns.split(' ').length),
    pitch: height ? height + gap : known.pitch,
    gap,
    top: grid.getBoundingClientRect().top + scrollY,
  };
}

function isSame(one: Shown, other: Shown): boolean {
  return (
    one.isAtTop === other.isAtTop &&
    one.visible.first === other.visible.first &&
    one.visible.end === other.visible.end &&
    one.geometry.columns === other.geometry.columns &&
    Math.abs(one.geometry.pitch - other.geometry.pitch) < 0.01 &&
    one.geometry.gap === other.geometry.gap
  );
}
