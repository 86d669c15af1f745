/** What running a picture again would cost. */

import { z } from 'zod';
import type { RetryCost } from '../core/images/retry-cost.ts';
import { cost } from './image-record.ts';

/** Answer of `GET /images/:mediaId/retry`. */
export const retryCost = z
  .strictObject({
    usd: z
      .number()
      .nullable()
      .meta({
        description:
          'Most that one call is expected to cost, in US dollars; 0 without a call, null where no price is known.',
        examples: [0.152],
      }),
    basis: cost.shape.basis,
    call: z.boolean().meta({
      description:
        'Whether a model would be called. False where a sound original is kept: it would be finished for nothing.',
    }),
    mayBePaidAlready: z.boolean().meta({
      description:
        'True where an earlier call for the picture was or may have been billed. A retry may pay for it once more.',
    }),
  })
  .meta({ id: 'RetryCost' });

/** Makes the answer of an estimate of a retry. */
export function toRetryCost({ cost, call, mayBePaidAlready }: RetryCost): z.output<typeof retryCost> {
  return { usd: cost.usd, basis: cost.basis, call, mayBePaidAlready };
}
