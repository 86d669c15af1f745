/** The events of an image's stream. The schemas are only for the OpenAPI document: events are not validated when they are sent. */

import { z } from 'zod';
import type { ImageEvent, StatusReport } from '../core/images/follow.ts';
import type { PartialPicture } from '../core/ports/image-events.ts';
import { discriminator, timestamp } from './fields.ts';
import { attempts, imageRecord, imageStatus } from './image-record.ts';

/** The schema of one event: `id` is that of the schema. */
export const event = <Name extends string, Data extends z.ZodType>(
  name: Name,
  id: string,
  description: string,
  data: Data,
) =>
  z
    .strictObject({ id: z.string(), event: z.literal(name), data })
    .meta({ id, description: `${description} On the wire \`data\` is one line of JSON.` });

export const statusReport = z
  .strictObject({
    mediaId: z.string(),
    status: imageStatus,
    since: timestamp('When it took this status.'),
    provider: z.string(),
    attempts,
    createdAt: timestamp('When the request was accepted.'),
    completedAt: timestamp('When the picture ended, well or not.').nullable(),
  })
  .meta({ id: 'StatusReport', description: 'How far a picture is.' });

export const partialPicture = z
  .strictObject({
    mediaId: z.string(),
    index: z.int().meta({ description: '0 for the first of a call.' }),
    base64: z.string().meta({ description: 'The picture so far.' }),
  })
  .meta({ id: 'PartialPicture' }) satisfies z.ZodType<PartialPicture>;

/** One event of `GET /images/:mediaId/events`. */
export const imageEvent: z.ZodType<unknown> = z
  .discriminatedUnion('event', [
    event('status', 'StatusEvent', 'How far the picture is: at once, and whenever that changes.', statusReport),
    event(
      'partial',
      'PartialEvent',
      'The picture so far, where the model streams. Slow readers are spared some.',
      partialPicture,
    ),
    event('done', 'DoneEvent', 'The record of the finished picture, well or not. The stream ends.', imageRecord),
    event(
      'deleted',
      'DeletedEvent',
      'The picture was deleted. The stream ends.',
      z.strictObject({ mediaId: z.string() }),
    ),
  ])
  .meta({
    id: 'ImageEvent',
    ...discriminator('event', {
      status: 'StatusEvent',
      partial: 'PartialEvent',
      done: 'DoneEvent',
      deleted: 'DeletedEvent',
    }),
  });

/** Headers of `GET /images/:mediaId/events`. Headers that are not named here pass unchecked. */
export const eventHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .optional()
    .meta({ description: 'Id of the last event that was seen; EventSource sends it by itself when it comes back.' }),
});

/**
 * Makes the event that is sent: `id` and `type` become fields of the stream, `data` its JSON. A partial picture's data is passed
 * on as the same object, so that it is serialized once for all clients.
 */
export function toImageEvent({ id, type, data }: ImageEvent): { id: string; type: string; data: object } {
  return { id, type, data: type === 'status' ? toStatusReport(data) : data };
}

/** The wire form of a status report. */
export function toStatusReport(report: StatusReport): z.output<typeof statusReport> {
  const { mediaId, status, since, provider, attempts, createdAt, completedAt } = report;
  return { mediaId, status, since, provider, attempts, createdAt, completedAt };
}
