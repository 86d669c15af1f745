/** The events of all images. The schemas are only for the OpenAPI document: events are not validated when they are sent. */

import { z } from 'zod';
import { type FeedEvent, RESET_REASONS } from '../core/images/feed.ts';
import type { StatusReport } from '../core/images/follow.ts';
import { event, partialPicture, statusReport, toStatusReport } from './events.ts';
import { discriminator } from './fields.ts';
import { imageRecord } from './image-record.ts';

/** One event of `GET /events`. */
export const feedEvent: z.ZodType<unknown> = z
  .discriminatedUnion('event', [
    event('created', 'FeedCreated', 'A picture was accepted: its record.', imageRecord),
    event('status', 'FeedStatus', 'How far an unfinished picture is, whenever that changes.', statusReport),
    event(
      'partial',
      'FeedPartial',
      'A picture so far, where the model streams. Slow readers are spared some.',
      partialPicture,
    ),
    event('done', 'FeedDone', 'A picture has ended, well or not: its record.', imageRecord),
    event('changed', 'FeedChanged', 'Something else in a record has changed: the record.', imageRecord),
    event('deleted', 'FeedDeleted', 'A picture was deleted.', z.strictObject({ mediaId: z.string() })),
    event(
      'reset',
      'FeedReset',
      'Events may be missing: read the list again. The stream goes on with what happens from here on.',
      z.strictObject({
        reason: z.enum(RESET_REASONS).meta({
          description:
            'The id of `Last-Event-ID` is not known here, or events were missed, in time or by reading too slowly.',
        }),
      }),
    ),
  ])
  .meta({
    id: 'FeedEvent',
    ...discriminator('event', {
      created: 'FeedCreated',
      status: 'FeedStatus',
      partial: 'FeedPartial',
      done: 'FeedDone',
      changed: 'FeedChanged',
      deleted: 'FeedDeleted',
      reset: 'FeedReset',
    }),
  });

/**
 * Makes the event that is sent: `id` and `type` become fields of the stream, `data` its JSON. Equal data is the same object for all
 * clients, so that it is serialized once.
 */
export function toFeedEvent({ id, type, data }: FeedEvent): { id: string; type: string; data: object } {
  return { id, type, data: type === 'status' ? sharedReport(data) : data };
}

const reports = new WeakMap<StatusReport, object>();

function sharedReport(report: StatusReport): object {
  const known = reports.get(report) ?? toStatusReport(report);
  reports.set(report, known);
  return known;
}
