import { useId, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';

interface CopyFieldProps {
  /** Of what the button copies, such as `link to the master`. */
  readonly name: string;
  readonly value: string;
  /** Several lines. */
  readonly long?: boolean;
}

/** A text to copy: in a field that can be selected, as a browser without a secure origin has no clipboard, and by a button. */
export function CopyField({ name, value, long = false }: CopyFieldProps) {
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const id = useId();
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // The text is selected: Ctrl-C copies it.
    }
  };
  return html`<div class="copy-field">
    <label for=${id} class="visually-hidden">${name}</label>
    ${
      long
        ? html`<textarea ref=${field} id=${id} readonly rows="4" value=${value} onFocus=${select}></textarea>`
        : html`<input ref=${field} id=${id} readonly value=${value} onFocus=${select} />`
    }
    <button type="button" onClick=${copy}>${isCopied ? 'Copied' : 'Copy'}<span class="visually-hidden"> ${name}</span></button>
    <span class="visually-hidden" role="status">${isCopied ? `${name} copied` : ''}</span>
  </div>`;
}

function select(event: Event): void {
  if (event.currentTarget instanceof HTMLInputElement || event.currentTarget instanceof HTMLTextAreaElement) {
    event.currentTarget.select();
  }
}
