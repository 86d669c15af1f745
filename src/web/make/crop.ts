import type { RequestPreview } from '../service/types.ts';

type PlannedCrop = Pick<RequestPreview, 'requestedSize' | 'crop'>;

/** The drawing in words: the size that the model is asked for, the part that is kept, and the size that it gets where that is another. */
export function describeCrop({ requestedSize, crop }: PlannedCrop, wanted: string | null): string {
  const { width, height } = parseSize(requestedSize);
  const kept = `${crop.width}x${crop.height}`;
  const scaled = wanted === null || wanted === kept ? '' : `, scaled to ${wanted}`;
  if (kept === requestedSize) {
    return `The model is asked for ${requestedSize} pixels, and ${kept} are kept${scaled}: nothing is cut off.`;
  }
  const cutOff = Math.round(100 * (1 - (crop.width * crop.height) / (width * height)));
  return `The model is asked for ${requestedSize} pixels, and ${kept} of them are kept${scaled}: ${Math.max(1, cutOff)}% is cut off.`;
}

/** A size such as `1536x1024`, in pixels. */
export function parseSize(text: string): { width: number; height: number } {
  const [width = 1, height = 1] = text.split('x').map(Number);
  return { width, height };
}
