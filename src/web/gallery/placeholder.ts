import { useLayoutEffect, useRef } from 'preact/hooks';
import { thumbHashToRGBA } from 'thumbhash';
import { html } from '../ui/html.ts';

interface PlaceholderProps {
  /** Base64. */
  readonly thumbhash: string;
}

/** The blurred stand-in of a picture, of its shape, until the picture is there. */
export function Placeholder({ thumbhash }: PlaceholderProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (canvas.current !== null) draw(canvas.current, thumbhash);
  }, [thumbhash]);
  return html`<canvas ref=${canvas} class="card-hash" aria-hidden="true"></canvas>`;
}

function draw(canvas: HTMLCanvasElement, thumbhash: string): void {
  try {
    const bytes = Uint8Array.from(atob(thumbhash), (character) => character.charCodeAt(0));
    const { w, h, rgba } = thumbHashToRGBA(bytes);
    canvas.width = w;
    canvas.height = h;
    canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0);
  } catch {
    // A damaged one costs the blur, not the card.
  }
}
