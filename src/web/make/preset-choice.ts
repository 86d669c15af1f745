import type { Preset } from '../service/types.ts';
import { html } from '../ui/html.ts';

interface PresetChoiceProps {
  readonly presets: readonly Preset[];
  /** Name or id of the chosen one; empty for none. */
  readonly value: string;
  readonly onChange: (name: string) => void;
  readonly error?: string | undefined;
}

/** The kinds of pictures, each with what it is for. */
export function PresetChoice({ presets, value, onChange, error }: PresetChoiceProps) {
  const choice = (
    name: string,
    title: string,
    text: string,
    size: string,
    isChosen: boolean,
  ) => html`<label class="preset">
    <input type="radio" name="preset" checked=${isChosen} onChange=${() => onChange(name)} />
    <span>
      <strong>${title}</strong>${size !== '' && html` <span class="preset-size small muted">${size}</span>`}
      <span class="small muted">${text}</span>
    </span>
  </label>`;
  return html`<fieldset>
    <legend>Preset</legend>
    <div class="presets">
      ${choice('', 'None', 'No defaults but the configured ones.', '', value === '')}
      ${presets.map(({ name, id, description, size }) => choice(name, name, description, size, value === name || value === id))}
    </div>
    ${error && html`<p class="field-error">${error}</p>`}
  </fieldset>`;
}
