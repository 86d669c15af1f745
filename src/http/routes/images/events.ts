import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { eventHeaders, imageEvent, toImageEvent } from '../../../api/events.ts';
import { imageParams } from '../../../api/fields.ts';
import type { ImageEvent } from '../../../core/images/follow.ts';
import type { Images } from '../../../core/images/images.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { Identify } from '../../access/auth.ts';
import { problems } from '../../openapi/responses.ts';
import { type ServerSentEvent, sendEvents } from '../../protocol/event-stream.ts';
import { clientGone, watchStreams } from '../../protocol/open-streams.ts';

interface EventRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
  readonly clock: Clock;
}

const EXAMPLE = `retry: 1000

id: qL4kZ0bXv1mSx2Rd
event: status
data: {"mediaId":"article-42-hero","status":"generating","since":"2026-11-23T16:02:11.000Z","provider":"openai","attempts":[…],…}

id: qL4kZ0bXv1mSx2Rd.0
event: partial
data: {"mediaId":"article-42-hero","index":0,"base64":"iVBORw0KGgo…"}

: nothing new

id: 8uYw3hTn5cJe0KfA
event: status
data: {"mediaId":"article-42-hero","status":"succeeded","since":"2026-11-23T16:02:43.000Z",…}

id: 8uYw3hTn5cJe0KfA.done
event: done
data: {"mediaId":"article-42-hero","status":"succeeded","url":"/media/article-42-hero.png",…}
`;

/** `GET /images/:mediaId/events`. */
export const eventRoutes: FastifyPluginAsyncZod<EventRoutesOptions> = async (app, { images, identify, clock }) => {
  const streams = watchStreams(app);

  app.get('/images/:mediaId/events', {
    // No HEAD route: it would subscribe without reading.
    exposeHeadRoute: false,
    schema: {
      operationId: 'followImage',
      tags: ['images'],
      summary: 'Follow a picture while it is made',
      description:
        'Server-Sent Events, as `EventSource` reads them: the present `status` at once, each later one when it comes, ' +
        '`partial` pictures from models that stream if somebody listens when the model is called, then `done` with the ' +
        'record, and the end. A comment every 15 s keeps the connection open. A client that comes back with ' +
        '`Last-Event-ID` is told only what it has not seen, and 204 when there is nothing more to tell.',
      params: imageParams,
      headers: eventHeaders,
      response: {
        200: {
          description:
            `The events, such as\n\n\`\`\`\n${EXAMPLE}\`\`\`\n\n` +
            'The schema is that of one event, its fields those of the stream.',
          content: { 'text/event-stream': { schema: imageEvent } },
        },
        204: z.undefined().describe('The end was sent already; `EventSource` then does not come back.'),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const lastEventId = request.headers['last-event-id'] ?? null;
      const gone = clientGone(reply);
      const events = await images.follow(request.params.mediaId, identify(request), lastEventId, gone);
      if (events === null) return reply.code(204).send();
      streams.add(reply);
      return sendEvents(reply, toServerSentEvents(events), clock);
    },
  });
};

async function* toServerSentEvents(events: AsyncIterable<ImageEvent>): AsyncGenerator<ServerSentEvent> {
  for await (const event of events) yield toImageEvent(event);
}
