import { useEffect, useRef, useState } from 'preact/hooks';
import { usePage } from '../state/page.ts';
import { useStore } from '../state/store.ts';
import { html } from '../ui/html.ts';
import { mediaPath } from '../ui/media.ts';
import type { Draft, DraftInput } from './draft.ts';

interface InputFieldsProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  readonly errorOf: (path: string) => string | undefined;
}

/** Pictures to start from, and the mask: by drag and drop, by paste, or chosen as files. */
export function InputFields({ draft, change, errorOf }: InputFieldsProps) {
  const { inputs, mask } = draft;
  const add = (files: readonly File[]) => change({ inputs: [...inputs, ...files.map(toInput)] });
  const remove = (index: number) => {
    const left = inputs.filter((_, at) => at !== index);
    change({ inputs: left, ...(left.length === 0 && { mask: null }) });
  };
  return html`<fieldset>
    <legend>Pictures to start from</legend>
    <ul class="inputs">
      ${inputs.map(
        (input, index) => html`<li key=${keyOf(input)}>
          <${InputPicture} input=${input} />
          <span class="small">${nameOf(input)}</span>
          <button type="button" class="quiet" onClick=${() => remove(index)}>Remove<span class="visually-hidden"> ${nameOf(input)}</span></button>
          ${errorOf(`inputs.${index}`) && html`<p class="field-error">${errorOf(`inputs.${index}`)}</p>`}
        </li>`,
      )}
      ${
        mask &&
        html`<li key="mask">
          <${InputPicture} input=${mask} />
          <span class="small">Mask: ${nameOf(mask)}</span>
          <button type="button" class="quiet" onClick=${() => change({ mask: null })}>Remove<span class="visually-hidden"> the mask</span></button>
          ${errorOf('mask') && html`<p class="field-error">${errorOf('mask')}</p>`}
        </li>`
      }
    </ul>
    ${errorOf('inputs') && html`<p class="field-error">${errorOf('inputs')}</p>`}
    <${DropZone} name="Add pictures" text="Drop PNG, JPEG or WebP pictures here, or" isMany onFiles=${add} />
    ${
      inputs.length > 0 &&
      mask === null &&
      html`<${DropZone} name="Add a mask" text="A mask for the first picture, of its size: its transparent parts are painted anew. Drop it here, or"
        onFiles=${([file]: readonly File[]) => file && change({ mask: toInput(file) })} />`
    }
  </fieldset>`;
}

interface DropZoneProps {
  readonly name: string;
  readonly text: string;
  readonly isMany?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

function DropZone({ name, text, isMany = false, onFiles }: DropZoneProps) {
  const chooser = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => {
    const pictures = [...(files ?? [])].filter(({ type }) => type.startsWith('image/'));
    if (pictures.length > 0) onFiles(isMany ? pictures : pictures.slice(0, 1));
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer?.files);
  };
  const over = (event: DragEvent) => {
    event.preventDefault();
    setOver(true);
  };
  const choose = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    take(input.files);
    // The same file may be chosen again.
    input.value = '';
  };
  return html`<div class=${isOver ? 'drop drop-over' : 'drop'} onDrop=${drop} onDragOver=${over} onDragLeave=${() => setOver(false)}>
    <p>${text} <button type="button" onClick=${() => chooser.current?.click()}>${name}</button></p>
    <input ref=${chooser} class="visually-hidden" type="file" accept="image/png,image/jpeg,image/webp" multiple=${isMany}
      tabindex="-1" aria-label=${`${name} as files`} onChange=${choose} />
  </div>`;
}

function InputPicture({ input }: { readonly input: DraftInput }) {
  const url = useObjectUrl('file' in input ? input.blob : null);
  if (url !== null) return html`<img src=${url} alt="" />`;
  if ('mediaId' in input) return html`<${KnownPicture} mediaId=${input.mediaId} />`;
  return html`<span class="no-picture" aria-hidden="true"></span>`;
}

function KnownPicture({ mediaId }: { readonly mediaId: string }) {
  const known = useStore(usePage().images.of(mediaId));
  const url = known?.record.thumbnail?.versionedUrl;
  return url === undefined
    ? html`<span class="no-picture" aria-hidden="true"></span>`
    : html`<img src=${mediaPath(url)} alt="" />`;
}

/** A URL of the file for as long as the component shows it. */
function useObjectUrl(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === null) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
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

function nameOf(input: DraftInput): string {
  if ('file' in input) return input.blob.name;
  if ('mediaId' in input) return input.mediaId;
  return 'url' in input ? input.url : `an earlier upload (${input.sha256.slice(0, 12)})`;
}
