/** The stand-in that a page shows while a picture loads. */

import { thumbHashToDataURL } from 'thumbhash';
import { z } from 'zod';
import type { Image } from '../core/domain/image.ts';

/** Answer of `GET /images/:mediaId/preview`. */
export const imagePreview = z
  .strictObject({
    thumbhash: z
      .string()
      .meta({ description: 'As in the record, base64.', examples: ['1QcSHQRnh493V4dIh4eXh1h4kJUI'] }),
    dataUrl: z.string().meta({
      description: 'The thumbhash as a picture of up to 32 pixels a side, to be put into a page as it is.',
      examples: ['data:image/png;base64,iVBORw0KGgo…'],
    }),
    dominantColour: z.string().meta({ description: '`#rrggbb`.', examples: ['#2a4d69'] }),
  })
  .meta({ id: 'ImagePreview' });

/** Makes the stand-in of an image; null until a picture has been decoded. */
export function toImagePreview({ thumbhash, dominantColour }: Image): z.output<typeof imagePreview> | null {
  if (thumbhash === null || dominantColour === null) return null;
  return { thumbhash, dataUrl: thumbHashToDataURL(Buffer.from(thumbhash, 'base64')), dominantColour };
}
