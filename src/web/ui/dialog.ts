import { useEffect, useId, useRef } from 'preact/hooks';
import { type Children, html } from './html.ts';

interface DialogProps {
  readonly title: string;
  /** Called for Escape too. */
  readonly onClose: () => void;
  readonly children: Children;
}

/** A modal dialog: the browser keeps the focus inside, and gives it back at the end. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected && opener !== document.body) opener.focus();
      // A dialog that opened by itself had no opener.
      else document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
    };
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    onClose();
  };
  const reopen = () => {
    // A browser closes a dialog at the second Escape, whatever the page says to the first.
    onClose();
    setTimeout(() => {
      if (dialog.current?.open === false) dialog.current.showModal();
    });
  };
  return html`<dialog ref=${dialog} aria-labelledby=${id} onCancel=${cancel} onClose=${reopen}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}
