/** Tasks: calls of the OpenAI dialect that are not waited for. */

import { z } from 'zod';
import { type Image, isFinished } from '../../core/domain/image.ts';
import { openAiPictures } from './answers.ts';
import { openAiError } from './errors.ts';
import { RESPONSE_FORMATS } from './requests.ts';

const TASK_STATUSES = ['queued', 'in_progress', 'completed', 'failed', 'cancelled'] as const;
type TaskStatus = (typeof TASK_STATUSES)[number];

/** Answer of the asynchronous calls. */
export const openAiTask = z
  .strictObject({
    id: z.string().meta({ description: 'The mediaId of the first picture.' }),
    object: z.literal('image.task'),
    status: z.enum(TASK_STATUSES),
    created_at: z.int().meta({ description: 'Seconds since 1970.' }),
    result: openAiPictures.optional().meta({ description: 'Once completed: what a call that waits is answered.' }),
    error: openAiError.shape.error.optional().meta({ description: 'Once failed or cancelled.' }),
  })
  .meta({ id: 'OpenAiTask' });

export const taskParams = z.object({ id: z.string().meta({ examples: ['article-42-hero'] }) });

export const taskQuery = z.object({
  response_format: z
    .enum(RESPONSE_FORMATS)
    .optional()
    .meta({ description: 'Of the pictures in `result`. Default: `url`.' }),
});

/** A task without its end. */
export function toTask(images: readonly [Image, ...Image[]]) {
  const [{ mediaId, createdAt }] = images;
  return {
    id: mediaId,
    object: 'image.task' as const,
    status: statusOf(images),
    created_at: Math.floor(Date.parse(createdAt) / 1000),
  };
}

/** `completed` where some picture was made, as a call that waits is then answered with those. */
function statusOf(images: readonly Image[]): TaskStatus {
  if (images.every(({ status }) => status === 'queued')) return 'queued';
  if (!images.every(({ status }) => isFinished(status))) return 'in_progress';
  if (images.some(({ status }) => status === 'succeeded')) return 'completed';
  return images.some(({ status }) => status === 'failed') ? 'failed' : 'cancelled';
}
