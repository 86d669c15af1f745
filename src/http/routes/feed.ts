import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { eventHeaders } from '../../api/events.ts';
import { feedEvent, toFeedEvent } from '../../api/feed.ts';
import type { FeedEvent } from '../../core/images/feed.ts';
import type { Images } from '../../core/images/images.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Identify, StillKnown } from '../access/auth.ts';
import { problems } from '../openapi/responses.ts';
import { type ServerSentEvent, sendEvents } from '../protocol/event-stream.ts';
import { clientGone, watchStreams } from '../protocol/open-streams.ts';

interface FeedRoutesOptions {
  readonly images: Pick<Images, 'followAll'>;
  readonly identify: Identify;
  /** Whether the request would still be admitted, as the same caller. */
  readonly isStillKnown: StillKnown;
  readonly clock: Clock;
}

const EXAMPLE = `retry: 1000
id: qL4kZ0bX.41.0

id: qL4kZ0bX.42.0
event: created
data: {"mediaId":"article-42-hero","status":"queued","prompt":"a lighthouse at dusk",…}

id: qL4kZ0bX.43.0
event: status
data: {"mediaId":"article-42-hero","status":"generating","since":"2026-11-23T16:02:11.000Z","provider":"openai","attempts":[…],…}

id: qL4kZ0bX.43.1
event: partial
data: {"mediaId":"article-42-hero","index":0,"base64":"iVBORw0KGgo…"}

: nothing new

id: qL4kZ0bX.45.1
event: done
data: {"mediaId":"article-42-hero","status":"succeeded","url":"/media/article-42-hero.png",…}
`;

/** `GET /events`. */
export const feedRoutes: FastifyPluginAsyncZod<FeedRoutesOptions> = async (app, options) => {
  const { images, identify, isStillKnown, clock } = options;
  const streams = watchStreams(app);

  app.get('/events', {
    // No HEAD route: it would subscribe without reading.
    exposeHeadRoute: false,
    schema: {
      operationId: 'followImages',
      tags: ['images'],
      summary: 'Follow all pictures',
      description:
        'Server-Sent Events of every picture that the key sees: those that its name made, with `read-all` everyone’s. The stream ' +
        'begins with what happens next, so a page opens it first and reads the list then. A comment every 15 s keeps the ' +
        'connection open. A client that comes back with `Last-Event-ID` gets what it has missed, once, or `reset`, after which it ' +
        'reads the list again: the id is of another process, is older than 15 minutes, or there was too much. `partial` comes for ' +
        'pictures whose request has `partials`, and for those that a client follows alone: this stream by itself has no model ' +
        'stream. It does not end by itself, unless the key is withdrawn or the service stops.',
      headers: eventHeaders,
      response: {
        200: {
          description:
            `The events, such as\n\n\`\`\`\n${EXAMPLE}\`\`\`\n\n` +
            'The schema is that of one event, its fields those of the stream.',
          content: { 'text/event-stream': { schema: feedEvent } },
        },
        ...problems('unauthorized', 'forbidden', 'rate_limited'),
      },
    },
    handler: async (request, reply) => {
      const lastEventId = request.headers['last-event-id'] || null;
      const caller = identify(request);
      const { id, events } = images.followAll(caller, lastEventId, clientGone(reply));
      streams.add(reply);
      const sent = toServerSentEvents(events, () => isStillKnown(request, 'read'));
      return sendEvents(reply, sent, clock, { firstId: id });
    },
  });
};

/** The events as they are sent, until one comes that the key may not see any more. */
async function* toServerSentEvents(
  events: AsyncIterable<FeedEvent>,
  isAdmitted: () => boolean,
): AsyncGenerator<ServerSentEvent> {
  for await (const event of events) {
    if (!isAdmitted()) return;
    yield toFeedEvent(event);
  }
}
