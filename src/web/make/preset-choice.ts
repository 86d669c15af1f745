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
  const chosen = presets.find(({ name, id }) => value === name || value === id);
  const choice = (name: string, size: string, text: string, isChosen: boolean) => html`<label class="preset">
    <input type="radio" name="preset" checked=${isChosen} onChange=${() => onChange(name)} />
    <span>
      <strong>${name === '' ? 'None' : name}</strong>
      <span class="small muted">${size}</span>
      <span class="preset-text small muted">${text}</span>
    </span>
  </label>`;
  return html`<fieldset>
    <legend>Preset</legend>
    <div class="presets">
      ${choice('', 'as configured', 'Nothing is added.', chosen === undefined)}
      ${presets.map((preset) => choice(preset.name, preset.size, preset.description, preset === chosen))}
    </div>
    <p class="preset-chosen small muted">${chosen?.description}</p>
    ${error && html`<p class="field-error">${error}</p>`}
  </fieldset>`;
}
