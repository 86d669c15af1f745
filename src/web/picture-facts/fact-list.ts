import { type Children, html } from '../ui/html.ts';

/** A fact by its name; null, undefined and empty ones are not shown. */
export type Fact = readonly [name: string, value: Children];

/** Names and values. */
export function FactList({ facts }: { readonly facts: readonly Fact[] }) {
  const shown = facts.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return html`<dl class="facts">${shown.map(
    ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

interface PanelProps {
  readonly title: string;
  readonly children: Children;
}

/** A section of facts. */
export function Panel({ title, children }: PanelProps) {
  return html`<section class="panel"><h2>${title}</h2>${children}</section>`;
}
