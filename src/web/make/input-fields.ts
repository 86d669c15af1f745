import { useRef } from 'preact/hooks';
import { announce } from '../ui/announce.ts';
import { html } from '../ui/html.ts';
import type { Draft, DraftInput } from './draft.ts';
import { DropZone } from './drop-zone.ts';
import type { ErrorOf } from './field-errors.ts';
import { InputPicture, nameOf } from './input-picture.ts';
import { usePastedPictures } from './picture-files.ts';

interface InputFieldsProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  readonly errorOf: ErrorOf;
}

/** Pictures to start from, and the mask: by drag and drop, by paste, or chosen as files. */
export function InputFields({ draft, change, errorOf }: InputFieldsProps) {
  const { inputs, mask } = draft;
  const list = useRef<HTMLFieldSetElement>(null);
  const add = (files: readonly File[]) => {
    change({ inputs: [...inputs, ...files.map(toInput)] });
    announce(files.length === 1 ? `${files[0]?.name} is added.` : `${files.length} pictures are added.`);
  };
  const remove = (part: Partial<Draft>, name: string) => {
    change(part);
    announce(`${name} is removed.`);
    // Its button goes with it, so the focus needs another place.
    list.current?.querySelector<HTMLElement>('.drop button')?.focus();
  };
  const removeInput = (input: DraftInput) => {
    const left = inputs.filter((one) => one !== input);
    remove({ inputs: left, ...(left.length === 0 && { mask: null }) }, nameOf(input));
  };
  usePastedPictures(add);
  return html`<fieldset ref=${list}>
    <legend>Pictures to start from <span class="optional">if any</span></legend>
    <ul class="inputs">
      ${inputs.map(
        (input, index) => html`<${Item} key=${keyOf(input)} input=${input} name=${nameOf(input)}
          error=${errorOf(`inputs.${index}`)} onRemove=${() => removeInput(input)} />`,
      )}
      ${
        mask &&
        html`<${Item} key="mask" input=${mask} name=${`Mask: ${nameOf(mask)}`} error=${errorOf('mask')}
          onRemove=${() => remove({ mask: null }, 'The mask')} />`
      }
    </ul>
    ${errorOf('inputs') && html`<p class="field-error">${errorOf('inputs')}</p>`}
    ${mask === null && errorOf('mask') && html`<p class="field-error">${errorOf('mask')}</p>`}
    <${DropZone} name="Add pictures" text="Drop PNG, JPEG or WebP pictures here, paste one, or" isMany onFiles=${add} />
    ${
      inputs.length > 0 &&
      mask === null &&
      html`<${DropZone} name="Add a mask"
        text="A mask for the first picture, of its size: its transparent parts are painted anew. Drop it here, or"
        onFiles=${([file]: readonly File[]) => file && change({ mask: toInput(file) })} />`
    }
  </fieldset>`;
}

interface ItemProps {
  readonly input: DraftInput;
  readonly name: string;
  readonly error: string | undefined;
  readonly onRemove: () => void;
}

function Item({ input, name, error, onRemove }: ItemProps) {
  return html`<li>
    <${InputPicture} input=${input} />
    <span class="input-name small">${name}</span>
    ${error && html`<p class="field-error">${error}</p>`}
    <button type="button" class="quiet" onClick=${onRemove}>Remove<span class="visually-hidden"> ${name}</span></button>
  </li>`;
}

let filesSoFar = 0;

/** A file under a name of its own, since several may be called `image.png`. */
function toInput(blob: File): DraftInput {
  filesSoFar += 1;
  return { file: `file-${filesSoFar}`, blob };
}

function keyOf(input: DraftInput): string {
  return 'file' in input ? input.file : nameOf(input);
}
