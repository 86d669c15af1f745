/** Webhooks: the deliveries of an image, and the messages that are sent. */

import { z } from 'zod';
import {
  DELIVERY_STATES,
  DELIVERY_STATUSES,
  type Delivery,
  deliveryStateOf,
  WEBHOOK_EVENTS,
} from '../core/domain/delivery.ts';
import type { DeliveryPage } from '../core/ports/webhooks.ts';
import { imageParams, nonBlankText, timestamp, wholeNumber } from './fields.ts';

/** A webhook delivery with its attempts. */
export const deliveryRecord = z
  .strictObject({
    id: z.string().meta({
      description: 'The `webhook-id`, the same for every try.',
      examples: ['msg_0b9f6c1e7c1e4f0e9a550d2f8a9d4d1b'],
    }),
    type: z.enum(WEBHOOK_EVENTS),
    url: z.string().meta({
      description: 'With `***` in place of a user and a password.',
      examples: ['https://example.com/hooks/easel'],
    }),
    status: z.enum(DELIVERY_STATUSES).meta({
      description:
        '`failed`: a day of tries is over, or the address is not one to be reached. `disabled`: the receiver answered 410.',
    }),
    attempts: z
      .array(
        z.strictObject({
          at: timestamp('When the try began.'),
          durationMs: z.number(),
          httpStatus: z.int().nullable(),
          error: z.string().nullable().meta({ description: 'Why it did not deliver; null where it did.' }),
        }),
      )
      .meta({ description: 'The latest 20, oldest first.' }),
    nextAttemptAt: timestamp('When it is tried next; null unless pending.').nullable(),
  })
  .meta({ id: 'Delivery', description: 'A webhook about the end of a picture, with its tries.' });

/** Answer of `GET /images/:mediaId/deliveries`. */
export const deliveryList = z
  .strictObject({
    items: z
      .array(deliveryRecord)
      .meta({ description: 'The latest 100, newest first; of those that are not pending, the latest 20 are kept.' }),
  })
  .meta({ id: 'DeliveryList' });

/** Query of `GET /deliveries`. */
export const deliveriesQuery = z.strictObject({
  status: z
    .enum(DELIVERY_STATES)
    .exclude(['pending'])
    .optional()
    .meta({
      description:
        'Only these. `failing`: a try has failed, and another one is due. `failed`: it was given up, also where the receiver answered ' +
        '410. Default: all, those that were not tried yet included.',
    }),
  limit: wholeNumber(1, 100).default(20).meta({ description: 'Most to give, 1 to 100.' }),
  cursor: nonBlankText.max(1024).optional().meta({ description: '`nextCursor` of the page before.' }),
});

const deliverySummary = z
  .strictObject({
    id: z.string().meta({
      description: 'The `webhook-id`, the same for every try.',
      examples: ['msg_0b9f6c1e7c1e4f0e9a550d2f8a9d4d1b'],
    }),
    mediaId: z.string().meta({ examples: ['article-42-hero'] }),
    host: z.string().meta({
      description:
        'Host of the receiver, with its port where that is not the default. The rest of the URL may be a secret.',
      examples: ['example.com'],
    }),
    status: z.enum(DELIVERY_STATES).meta({ description: '`pending`: it is due, and no try has failed.' }),
    attempts: z.int().meta({ description: 'How many tries there were, of the latest 20.' }),
    lastStatus: z.int().nullable().meta({ description: 'HTTP status of the last answer; null where there was none.' }),
    lastError: z.string().nullable().meta({ description: 'Why the last try did not deliver; null where it did.' }),
    nextAttemptAt: timestamp('When it is tried next; null where it is not.').nullable(),
  })
  .meta({ id: 'DeliverySummary' });

/** Answer of `GET /deliveries`. */
export const deliveryPage = z
  .strictObject({
    items: z.array(deliverySummary).meta({ description: 'Newest first.' }),
    nextCursor: z.string().nullable().meta({ description: '`cursor` of the next page; null on the last one.' }),
  })
  .meta({ id: 'DeliveryPage' });

/** Makes a page of the deliveries about all images. */
export function toDeliveryPage({ items, nextCursor }: DeliveryPage): z.output<typeof deliveryPage> {
  return { items: items.map(toDeliverySummary), nextCursor };
}

function toDeliverySummary(delivery: Delivery): z.output<typeof deliverySummary> {
  const { id, mediaId, url, attempts, nextAttemptAt } = delivery;
  const last = attempts.at(-1);
  return {
    id,
    mediaId,
    host: URL.parse(url)?.host ?? '',
    status: deliveryStateOf(delivery),
    attempts: attempts.length,
    lastStatus: last?.httpStatus ?? null,
    lastError: last?.error ?? null,
    nextAttemptAt,
  };
}

/** Path parameters of one delivery. */
export const deliveryParams = imageParams.extend({ id: z.string() });

/** Makes the record of a delivery, with `***` for credentials in its URL. */
export function toDeliveryRecord(delivery: Delivery): z.output<typeof deliveryRecord> {
  const { id, type, url, status, attempts, nextAttemptAt } = delivery;
  return {
    id,
    type,
    url: withoutCredentials(url),
    status,
    attempts: attempts.map(({ at, durationMs, httpStatus, error }) => ({ at, durationMs, httpStatus, error })),
    nextAttemptAt,
  };
}

function withoutCredentials(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.username === '' && url.password === '')) return text;
  return Object.assign(url, { username: '***', password: '' }).href;
}

/** Makes the list of an image's deliveries. */
export function toDeliveryList(deliveries: readonly Delivery[]): z.output<typeof deliveryList> {
  return { items: deliveries.map(toDeliveryRecord) };
}

const header = (name: string, description: string) => ({
  in: 'header',
  name,
  description,
  required: true,
  schema: { type: 'string' },
});

/** The `webhooks` of the OpenAPI document. They refer to the record by the name of its schema there. */
export const webhooks = {
  imageEnded: {
    post: {
      operationId: 'imageEnded',
      tags: ['images'],
      summary: 'A picture has ended',
      description:
        "Sent to the request's `webhookUrl`, else to that of the API key, at least once, by the Standard Webhooks " +
        'specification. Anything but a 2xx within 10 s is tried again for a day, twice within the first half minute; ' +
        'redirects are not followed, and 410 ends the tries.',
      security: [],
      parameters: [
        header('webhook-id', 'The same for every try: who has seen it has seen the message.'),
        header('webhook-timestamp', 'When this try was sent, in seconds since 1970.'),
        header(
          'webhook-signature',
          '`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; spaces between several.',
        ),
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              additionalProperties: false,
              required: ['type', 'timestamp', 'data'],
              properties: {
                type: { type: 'string', enum: [...WEBHOOK_EVENTS] },
                timestamp: { type: 'string', format: 'date-time', description: 'When the picture ended.' },
                data: { $ref: '#/components/schemas/ImageRecord' },
              },
            },
          },
        },
      },
      responses: { '2XX': { description: 'Taken.' }, 410: { description: 'No more of it.' } },
    },
  },
};
