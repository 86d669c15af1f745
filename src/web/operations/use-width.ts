import { useLayoutEffect, useRef, useState } from 'preact/hooks';

const BEFORE_IT_IS_KNOWN = 640;

/** A ref for an element, and its width in CSS pixels, now and whenever it changes. */
export function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(BEFORE_IT_IS_KNOWN);
  useLayoutEffect(() => {
    if (element.current === null) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width] as const;
}
