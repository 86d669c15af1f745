import type { RequestPreview } from '../service/types.ts';
import { html } from '../ui/html.ts';

interface CropDrawingProps {
  readonly preview: Pick<RequestPreview, 'requestedSize' | 'crop'>;
}

/** The picture that the model is asked for, and the part of it that is kept, drawn to scale. */
export function CropDrawing({ preview }: CropDrawingProps) {
  const { requestedSize, crop } = preview;
  const { width, height } = parseSize(requestedSize);
  const line = Math.max(width, height) / 160;
  return html`<svg class="crop" role="img" aria-label=${describeCrop(preview)} viewBox=${`${-line} ${-line} ${width + 2 * line} ${height + 2 * line}`}>
    <rect class="crop-asked" x="0" y="0" width=${width} height=${height} stroke-width=${line} />
    <rect class="crop-kept" x=${crop.left} y=${crop.top} width=${crop.width} height=${crop.height} stroke-width=${line} />
  </svg>`;
}

/** The drawing in words: both sizes, and how much is cut off. */
export function describeCrop({ requestedSize, crop }: CropDrawingProps['preview']): string {
  const { width, height } = parseSize(requestedSize);
  const kept = `${crop.width}x${crop.height}`;
  if (kept === requestedSize) return `The model is asked for ${requestedSize} pixels, and ${kept} are kept: all of it.`;
  const cutOff = Math.round(100 * (1 - (crop.width * crop.height) / (width * height)));
  return `The model is asked for ${requestedSize} pixels, and ${kept} of them are kept: ${Math.max(1, cutOff)}% is cut off.`;
}

function parseSize(text: string): { width: number; height: number } {
  const [width = 1, height = 1] = text.split('x').map(Number);
  return { width, height };
}
