import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * Keeps the focus near where it was: when the focused element inside of `container` is removed by an update, such as "Cancel" of a picture
 * that is done now, the container takes it.
 */
export function useKeptFocus(container: { readonly current: HTMLElement | null }): void {
  const focused = useRef<Element | null>(null);
  useLayoutEffect(() => {
    const element = container.current;
    if (element === null) return;
    const note = ({ target }: FocusEvent) => {
      focused.current = target instanceof Element ? target : null;
    };
    const forget = ({ target }: FocusEvent) => {
      // Removal takes the focus away too; then the element is no longer connected.
      queueMicrotask(() => {
        if (focused.current === target && focused.current?.isConnected) focused.current = null;
      });
    };
    element.addEventListener('focusin', note);
    element.addEventListener('focusout', forget);
    return () => {
      element.removeEventListener('focusin', note);
      element.removeEventListener('focusout', forget);
    };
  }, []);
  useLayoutEffect(() => {
    if (focused.current === null || focused.current.isConnected) return;
    focused.current = null;
    const active = document.activeElement;
    if (active === null || active === document.body) container.current?.focus({ preventScroll: true });
  });
}
