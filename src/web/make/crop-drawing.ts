import type { RequestPreview } from '../service/types.ts';
import { html } from '../ui/html.ts';
import { parseSize } from './crop.ts';

interface CropDrawingProps {
  readonly preview: Pick<RequestPreview, 'requestedSize' | 'crop'>;
  /** The drawing in words. */
  readonly description: string;
}

/** The picture that the model is asked for, and the part of it that is kept, drawn to scale. */
export function CropDrawing({ preview, description }: CropDrawingProps) {
  const { requestedSize, crop } = preview;
  const { width, height } = parseSize(requestedSize);
  const line = Math.max(width, height) / 160;
  return html`<svg class="crop" role="img" aria-label=${description}
    viewBox=${`${-line} ${-line} ${width + 2 * line} ${height + 2 * line}`}>
    <rect class="crop-asked" x="0" y="0" width=${width} height=${height} stroke-width=${line} />
    <rect class="crop-kept" x=${crop.left} y=${crop.top} width=${crop.width} height=${crop.height} stroke-width=${line} />
  </svg>`;
}
