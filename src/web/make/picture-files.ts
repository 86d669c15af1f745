import { useEffect, useRef } from 'preact/hooks';
import { announce } from '../ui/announce.ts';

const TYPES = ['image/png', 'image/jpeg', 'image/webp'];

/** What a file chooser is to offer. */
export const PICTURE_TYPES = TYPES.join();

/** The files that the service reads as pictures. Says which are left out. */
export function picturesOf(files: FileList | null | undefined): readonly File[] {
  const [pictures, others] = [true, false].map((isPicture) =>
    [...(files ?? [])].filter(({ type }) => TYPES.includes(type) === isPicture),
  );
  const names = others?.map(({ name }) => name).join(', ');
  if (names) announce(`Left out, as it is no PNG, JPEG or WebP picture: ${names}.`);
  return pictures ?? [];
}

/** Takes pictures that are pasted anywhere in the page, or dropped beside the places for them: a browser would leave the page for them. */
export function usePastedPictures(onFiles: (files: readonly File[]) => void): void {
  const take = useRef(onFiles);
  take.current = onFiles;
  useEffect(() => {
    const left = new AbortController();
    const { signal } = left;
    const takeFrom = (transfer: DataTransfer | null) => {
      const pictures = picturesOf(transfer?.files);
      if (pictures.length > 0) take.current(pictures);
    };
    const isOfFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') ?? false;
    document.addEventListener(
      'paste',
      (event) => {
        if ((event.clipboardData?.files.length ?? 0) === 0) return;
        event.preventDefault();
        takeFrom(event.clipboardData);
      },
      { signal },
    );
    document.addEventListener('dragover', (event) => isOfFiles(event) && event.preventDefault(), { signal });
    document.addEventListener(
      'drop',
      (event) => {
        if (!isOfFiles(event) || event.defaultPrevented) return;
        event.preventDefault();
        takeFrom(event.dataTransfer);
      },
      { signal },
    );
    return () => left.abort();
  }, []);
}
