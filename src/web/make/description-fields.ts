import type { BriefPart } from '../../core/domain/request.ts';
import type { Preset } from '../service/types.ts';
import { Field } from '../ui/field.ts';
import { html } from '../ui/html.ts';
import type { Draft } from './draft.ts';

interface DescriptionFieldsProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  /** The chosen one, whose brief fills what is left empty; null for none. */
  readonly preset: Preset | null;
  readonly errorOf: (path: string) => string | undefined;
}

const BRIEF_FIELDS: Readonly<
  Record<BriefPart, { readonly label: string; readonly hint?: string; readonly rows?: number }>
> = {
  subject: { label: 'Subject', hint: 'What is in the picture.' },
  style: { label: 'Style', hint: 'How it is made: gouache, photograph, line drawing.' },
  mood: { label: 'Mood' },
  palette: { label: 'Palette', hint: 'Colours by name or code, one a line.', rows: 2 },
  composition: { label: 'Composition', hint: 'Where things are.' },
  lighting: { label: 'Lighting' },
  avoid: { label: 'Avoid', hint: 'What must not be seen, one a line.', rows: 2 },
  text: { label: 'Text', hint: 'Words that must stand in the picture, letter by letter.' },
};

/** What to show: in one text, or in the parts of a brief. */
export function DescriptionFields({ draft, change, preset, errorOf }: DescriptionFieldsProps) {
  const way = (isBrief: boolean, text: string) => html`<label class="choice">
    <input type="radio" name="way" checked=${draft.isBrief === isBrief} onChange=${() => change({ isBrief })} />${text}
  </label>`;
  const parts = Object.entries(BRIEF_FIELDS).map(([part, field]) => {
    const name = part as BriefPart;
    const fromPreset = preset?.brief[name];
    return html`<${Field} ...${field} value=${draft.brief[name]} error=${errorOf(`brief.${part}`)}
      placeholder=${fromPreset && `By the preset: ${typeof fromPreset === 'string' ? fromPreset : fromPreset.join(', ')}`}
      onChange=${(value: string) => change({ brief: { ...draft.brief, [name]: value } })} />`;
  });
  return html`<fieldset>
    <legend>What to show</legend>
    <div class="ways">${way(false, 'In one text')} ${way(true, 'In parts')}</div>
    ${
      draft.isBrief
        ? html`${errorOf('brief') && html`<p class="field-error">${errorOf('brief')}</p>`}<div class="parts">${parts}</div>`
        : html`<${Field} label="Prompt" rows=${5} value=${draft.prompt} error=${errorOf('prompt')}
            placeholder="a lighthouse at dusk, gouache" onChange=${(prompt: string) => change({ prompt })} />`
    }
  </fieldset>`;
}
