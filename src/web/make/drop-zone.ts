import { useRef, useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { PICTURE_TYPES, picturesOf } from './picture-files.ts';

interface DropZoneProps {
  readonly name: string;
  readonly text: string;
  readonly isMany?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

/** A place for files: to drop them on, and a button that does the same by keyboard. */
export function DropZone({ name, text, isMany = false, onFiles }: DropZoneProps) {
  const chooser = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => {
    const pictures = picturesOf(files);
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
    <input ref=${chooser} class="visually-hidden" type="file" accept=${PICTURE_TYPES} multiple=${isMany}
      tabindex="-1" aria-label=${`${name} as files`} onChange=${choose} />
  </div>`;
}
