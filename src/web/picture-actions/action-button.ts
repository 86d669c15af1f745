import { type Children, html } from '../ui/html.ts';

interface ActionButtonProps {
  readonly onClick: () => void;
  /** Off: it cannot be used now. It keeps the focus, so `disabled` is not for it. */
  readonly isOff?: boolean;
  readonly kind?: 'primary' | 'danger' | 'plain';
  /** Set for a button that stays down. */
  readonly isPressed?: boolean;
  /** Id of the element that says why it is off. */
  readonly reason?: string | undefined;
  readonly children: Children;
}

/** A button of an action. While it is off it says so, does nothing and keeps the focus. */
export function ActionButton({
  onClick,
  isOff = false,
  kind = 'plain',
  isPressed,
  reason,
  children,
}: ActionButtonProps) {
  return html`<button type="button" class=${`action ${kind}`} aria-disabled=${isOff ? 'true' : undefined} aria-pressed=${isPressed}
    aria-describedby=${reason} onClick=${() => !isOff && onClick()}>${children}</button>`;
}

interface ActionLinkProps {
  readonly href: string;
  readonly isOff: boolean;
  readonly reason?: string | undefined;
  readonly children: Children;
}

/** A button that goes to another place: it has an address, so that it can be opened in a new tab. */
export function ActionLink({ href, isOff, reason, children }: ActionLinkProps) {
  const press = (event: KeyboardEvent) => {
    if (event.key !== ' ' || !(event.currentTarget instanceof HTMLElement)) return;
    event.preventDefault();
    event.currentTarget.click();
  };
  return html`<a class="button action" role="button" href=${isOff ? undefined : href} tabindex="0"
    aria-disabled=${isOff ? 'true' : undefined}
    aria-describedby=${reason} onKeyDown=${press}>${children}</a>`;
}
