import type { RequestPreview } from '../service/types.ts';

type PlannedCrop = Pick<RequestPreview, 'requestedSize' | 'crop'>;

/** The drawing in words: both sizes, and how much is cut off. */
export function describeCrop({ requestedSize, crop }: PlannedCrop): string {
  const { width, height } = parseSize(requestedSize);
  const kept = `${crop.width}x${crop.height}`;
  if (kept === requestedSize) return `The model is asked for ${requestedSize} pixels, and ${kept} are kept: all of it.`;
  const cutOff = Math.round(100 * (1 - (crop.width * crop.height) / (width * height)));
  return `The model is asked for ${requestedSize} pixels, and ${kept} of them are kept: ${Math.max(1, cutOff)}% is cut off.`;
}

/** A size such as `1536x1024`, in pixels. */
export function parseSize(text: string): { width: number; height: number } {
  const [width = 1, height = 1] = text.split('x').map(Number);
  return { width, height };
}
