import { useEffect, useState } from 'preact/hooks';
import type { Model, Preset } from '../service/types.ts';
import { Field } from '../ui/field.ts';
import { html } from '../ui/html.ts';
import type { Draft } from './draft.ts';
import type { ErrorOf } from './field-errors.ts';

interface OptionFieldsProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  readonly preset: Preset | null;
  readonly models: readonly Model[];
  readonly errorOf: ErrorOf;
}

/** The fields that stand behind "More". */
const MORE = ['style', 'background', 'format', 'renditions', 'mediaId', 'ttlSeconds', 'labels'];
const QUALITIES = ['auto', 'low', 'medium', 'high'];
const COMMON_SIZES = ['1792x1024', '1024x1024', '1024x1536', '1200x675', '1200x630'];

/** How the picture is made and kept; whatever is left empty is the preset's, or as configured. */
export function OptionFields({ draft, change, preset, models, errorOf }: OptionFieldsProps) {
  const usable = [...new Set(models.filter(({ usable }) => usable).map(({ id }) => id))];
  const chosen = models.filter(({ id }) => id === draft.model);
  const qualities = [...new Set(chosen.flatMap((model) => model.qualities ?? []))];
  const sizes = [...new Set([...(preset ? [preset.size] : []), ...listedSizes(chosen), ...COMMON_SIZES])];
  const select = (
    label: string,
    name: 'model' | 'quality' | 'background' | 'format',
    choices: readonly string[],
    hint?: string,
  ) => {
    const all = draft[name] === '' || choices.includes(draft[name]) ? choices : [draft[name], ...choices];
    return html`<${Field} label=${label} hint=${hint} value=${draft[name]} error=${errorOf(name)}
      choices=${[['', 'Default'], ...all.map((choice) => [choice, choice])]}
      onChange=${(value: string) => change({ [name]: value })} />`;
  };
  const text = (
    label: string,
    name: 'style' | 'renditions' | 'mediaId' | 'days',
    path: string,
    hint: string,
    placeholder?: string,
  ) =>
    html`<${Field} label=${label} hint=${hint} value=${draft[name]} placeholder=${placeholder} error=${errorOf(path)}
      onChange=${(value: string) => change({ [name]: value })} />`;
  const [isOpen, setOpen] = useState(false);
  const hasError = MORE.some((path) => errorOf(path) !== undefined);
  useEffect(() => {
    // What is marked must be seen.
    if (hasError) setOpen(true);
  }, [hasError]);
  return html`
    <fieldset>
      <legend>How</legend>
      <div class="options">
        <${Field} label="Size" value=${draft.size} error=${errorOf('size')} isOpen choices=${sizes.map((size) => [size, size])}
          placeholder=${preset?.size ?? 'Default'} hint="Width x height in pixels: exactly what comes out."
          onChange=${(size: string) => change({ size })} />
        ${select('Model', 'model', usable)}
        ${select('Quality', 'quality', qualities.length > 0 ? qualities : QUALITIES, 'Higher costs more.')}
      </div>
      <label class="choice">
        <input type="checkbox" checked=${draft.showsPartials} onChange=${() => change({ showsPartials: !draft.showsPartials })} />
        Show it while it is painted
      </label>
      <p class="hint">Where the model can; each of the two pictures in between costs a little.</p>
    </fieldset>
    <details class="more" open=${isOpen} onToggle=${(event: Event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>More</summary>
      <div class="options">
        ${text('Style', 'style', 'style', 'Sent as a parameter, or written into the prompt.')}
        ${select('Background', 'background', ['auto', 'transparent', 'opaque'])}
        ${select('Format', 'format', ['png', 'jpeg', 'webp'])}
        ${text(
          'Renditions',
          'renditions',
          'renditions',
          'Such as 1200x675.webp 600x338.avif; none for none.',
          preset?.renditions.join(' '),
        )}
        ${text('Name', 'mediaId', 'mediaId', 'The mediaId: names the file and its URL. Left empty, one is made.', 'article-42-hero')}
        ${text('Days to keep', 'days', 'ttlSeconds', 'Deleted after that. Left empty: as configured.')}
        <${Field} label="Labels" rows=${2} value=${draft.labels} error=${errorOf('labels')} hint="To find it again, one a line."
          onChange=${(labels: string) => change({ labels })} />
      </div>
    </details>
  `;
}

function listedSizes(models: readonly Model[]): string[] {
  return models.flatMap(({ sizes }) => (sizes.kind === 'list' ? sizes.sizes : []));
}
