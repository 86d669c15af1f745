import { expect, it } from 'vitest';
import { postUntilTaken } from '../../support/cluster/post-taken.ts';
import { openReplicas } from '../../support/cluster/replicas.ts';
import { type EventStream, openEventStream, type ReceivedEvent } from '../../support/network/event-stream.ts';
import { bearer, TEST_KEYS } from '../../support/test-keys.ts';

/** The events up to the first one about which `isLast` holds, that included. */
async function upTo(stream: EventStream, isLast: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (let event = await stream.next(); event !== null; event = await stream.next()) {
    events.push(event);
    if (isLast(event)) return events;
  }
  throw new Error('the stream has ended');
}

it('a reader of all events hears at one replica what the other makes, changes and deletes, and nothing of other keys', async () => {
  await using cluster = await openReplicas('bucket');
  const env = { API_KEYS: TEST_KEYS };
  const [here, there] = await Promise.all([cluster.start('api', env), cluster.start('worker', env)]);
  const other = await cluster.start('api', env);
  await postUntilTaken(other, { mediaId: 'first', prompt: 'first' }, bearer('shop'));

  await using own = await openEventStream(`${here.url}/events`, undefined, bearer('blog'));
  await using all = await openEventStream(`${here.url}/events`, undefined, bearer('desk'));
  await Promise.all([own.nextFrame(), all.nextFrame()]);
  const request = (mediaId: string) => ({ mediaId, prompt: mediaId });
  expect((await postUntilTaken(other, { ...request('a'), partials: 2 }, bearer('blog'))).status).toBe(201);
  await postUntilTaken(other, request('of-shop'), bearer('shop'));
  for (const [mediaId, key] of [
    ['of-shop', 'shop'],
    ['a', 'blog'],
  ] as const) {
    await fetch(`${other.url}/images/${mediaId}`, { method: 'DELETE', headers: bearer(key) });
  }
  const isEnd = ({ event, data }: ReceivedEvent) => event === 'deleted' && data?.mediaId === 'a';
  const [seen, everything] = [await upTo(own, isEnd), await upTo(all, isEnd)];
  const types = seen.map(({ event }) => event);
  expect(types[0]).toBe('created');
  // Changes that follow closely on each other elsewhere may come as one.
  expect(types.filter((type) => type === 'created' || type === 'done' || type === 'deleted')).toEqual([
    'created',
    'done',
    'deleted',
  ]);
  expect(seen.find(({ event }) => event === 'done')?.data).toMatchObject({ mediaId: 'a', status: 'succeeded' });
  expect(seen.every(({ data }) => data?.mediaId === 'a')).toBe(true);
  const ofShop = everything.filter(({ data }) => data?.mediaId === 'of-shop').map(({ event }) => event);
  expect([ofShop[0], ofShop.at(-1)]).toEqual(['created', 'deleted']);
  expect(there.stdout()).toContain('picture received');

  // Another replica does not know the id.
  await using elsewhere = await openEventStream(`${other.url}/events`, seen[0]?.id, bearer('blog'));
  expect(await elsewhere.next()).toMatchObject({ event: 'reset', data: { reason: 'unknown_id' } });
});
