import { useId } from 'preact/hooks';
import { type Children, html } from '../ui/html.ts';

interface PanelProps {
  readonly title: string;
  /** Takes the whole width. */
  readonly isWide?: boolean;
  readonly children: Children;
}

/** A part of the view with a heading. */
export function Panel({ title, isWide = false, children }: PanelProps) {
  const id = useId();
  return html`<section class=${isWide ? 'panel panel-wide' : 'panel'} aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </section>`;
}

interface FactProps {
  readonly name: string;
  readonly children: Children;
}

/** A name and its value, inside of a `dl`. */
export function Fact({ name, children }: FactProps) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}
