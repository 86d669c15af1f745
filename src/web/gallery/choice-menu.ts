import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { html } from '../ui/html.ts';

export interface Choice {
  readonly value: string;
  readonly text: string;
  /** How many pictures it has, where that is known. */
  readonly count?: number;
}

interface ChoiceMenuProps {
  readonly name: string;
  readonly choices: readonly Choice[];
  readonly chosen: readonly string[];
  readonly onChoose: (chosen: readonly string[]) => void;
  /** What stands in place of the choices where there are none. */
  readonly empty: string;
  readonly onOpen?: () => void;
}

/** A button that opens a group of check boxes; Escape and a click elsewhere close it. */
export function ChoiceMenu({ name, choices, chosen, onChoose, empty, onOpen }: ChoiceMenuProps) {
  const [isOpen, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    const closeElsewhere = (event: Event) => {
      if (event.target instanceof Node && !menu.current?.contains(event.target)) setOpen(false);
    };
    addEventListener('pointerdown', closeElsewhere);
    addEventListener('focusin', closeElsewhere);
    return () => {
      removeEventListener('pointerdown', closeElsewhere);
      removeEventListener('focusin', closeElsewhere);
    };
  }, [isOpen]);
  const toggle = () => {
    if (!isOpen) onOpen?.();
    setOpen(!isOpen);
  };
  const closeByKey = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !isOpen) return;
    setOpen(false);
    button.current?.focus();
  };
  const choose = (value: string) =>
    onChoose(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);
  return html`<div ref=${menu} class="choice-menu" onKeyDown=${closeByKey}>
    <button ref=${button} type="button" aria-expanded=${isOpen} aria-controls=${id} onClick=${toggle}>
      ${name}${chosen.length > 0 && html` <span class="choice-count">${chosen.length}<span class="visually-hidden"> chosen</span></span>`}
    </button>
    <div id=${id} class="choice-list" role="group" aria-label=${name} hidden=${!isOpen}>
      ${
        isOpen &&
        (choices.length === 0
          ? html`<p class="muted">${empty}</p>`
          : choices.map(
              ({ value, text, count }) => html`<label key=${value} class="choice">
                <input type="checkbox" checked=${chosen.includes(value)} onChange=${() => choose(value)} />
                <span class="choice-text">${text}</span>
                ${count !== undefined && html`<span class="muted small">${count}</span>`}
              </label>`,
            ))
      }
    </div>
  </div>`;
}
