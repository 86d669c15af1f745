import { html as template } from 'htm/preact';
import type { ComponentChildren, VNode } from 'preact';

/**
 * Makes elements from a template, such as ``html`<p class="note">${text}</p>` ``; a component stands as
 * `<${Component} name=${value} />`.
 */
export const html: (strings: TemplateStringsArray, ...values: unknown[]) => VNode = template;

/** Whatever may stand inside an element. */
export type Children = ComponentChildren;
