import { type Children, html } from '../ui/html.ts';

/** A fact by its name; null, undefined and empty ones are not shown. */
export type Fact = readonly [name: string, value: Children];

/** Names and values. */
export function FactList({ facts }: { readonly facts: readonly Fact[] }) {
  const shown = facts.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl class="picture-list">${shown.map(
    ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

interface PanelProps {
  readonly title: string;
  readonly children: Children;
}

/** A section of facts. */
export function Panel({ title, children }: PanelProps) {
  return html`<section class="picture-panel"><h2>${title}</h2>${children}</section>`;
}

/** Characters from which a text gets a box that scrolls. */
const LONG_TEXT = 900;

interface LongTextProps {
  /** For screen readers, where it scrolls. */
  readonly name: string;
  readonly text: string;
}

/** A text with its own lines; a very long one in a box of its own, which the keyboard reaches. */
export function LongText({ name, text }: LongTextProps) {
  return text.length < LONG_TEXT
    ? html`<p class="prompt" dir="auto">${text}</p>`
    : html`<div class="prompt prompt-long" role="region" tabindex="0" dir="auto" aria-label=${name}>${text}</div>`;
}
