import { useId } from 'preact/hooks';
import { type Children, html } from './html.ts';

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** What is wrong with the value; undefined for nothing. */
  readonly error?: string | undefined;
  readonly hint?: Children;
  readonly placeholder?: string | undefined;
  /** More than one: a field of several lines. */
  readonly rows?: number;
  readonly type?: string;
  /** Values to choose from. With `isOpen` others may be typed. */
  readonly choices?: readonly (readonly [value: string, text: string])[];
  readonly isOpen?: boolean;
}

/** A labelled field with its hint and its error, both of which a screen reader reads with it. */
export function Field({
  label,
  value,
  onChange,
  error,
  hint,
  placeholder,
  rows = 1,
  type = 'text',
  choices,
  isOpen,
}: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  const shared = {
    id,
    value,
    placeholder,
    'aria-invalid': error === undefined ? undefined : 'true',
    'aria-describedby': described === '' ? undefined : described,
    onInput: (event: Event) => onChange((event.currentTarget as HTMLInputElement).value),
  };
  const options = choices?.map(([choice, text]) => html`<option value=${choice}>${text}</option>`);
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${choices && !isOpen && html`<select ...${shared}>${options}</select>`}
    ${choices && isOpen && html`<input ...${shared} list=${`${id}-list`} autocomplete="off" />`}
    ${choices && isOpen && html`<datalist id=${`${id}-list`}>${options}</datalist>`}
    ${!choices && rows > 1 && html`<textarea ...${shared} rows=${rows}></textarea>`}
    ${!choices && rows === 1 && html`<input ...${shared} type=${type} autocomplete="off" />`}
    ${hint && html`<p id=${`${id}-hint`} class="hint">${hint}</p>`}
    ${error && html`<p id=${`${id}-error`} class="field-error">${error}</p>`}
  </div>`;
}
