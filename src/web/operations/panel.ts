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
  return html`<section class=${isWide ? 'ops-panel ops-panel-wide' : 'ops-panel'} aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </section>`;
}

interface FigureProps {
  readonly name: string;
  /** What the figure is measured by, in smaller letters. */
  readonly of?: string | undefined;
  readonly children: Children;
}

/** A name and its value, inside of a `dl` of the class `figures`. */
export function Figure({ name, of, children }: FigureProps) {
  return html`<div><dt>${name}</dt><dd>${children}${of && html` <span class="small muted">${of}</span>`}</dd></div>`;
}
