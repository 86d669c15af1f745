/**
 * A process that takes jobs and says on stdout what it does, a line each: `ready`, `start MEDIA-ID`, `end MEDIA-ID`. A job runs until
 * stdin brings its mediaId. Started with the database's URL and the number of slots.
 */

import { createInterface } from 'node:readline';
import { openReplica } from './replicas.ts';

const [url = '', concurrency = '1'] = process.argv.slice(2);
const ends = new Map<string, () => void>();
const say = (...words: readonly string[]) => process.stdout.write(`${words.join(' ')}\n`);

const replica = await openReplica(url);
const queue = replica.queue({
  concurrency: Number(concurrency),
  async run(mediaId) {
    say('start', mediaId);
    await new Promise<void>((resolve) => ends.set(mediaId, resolve));
    say('end', mediaId);
  },
});
await queue.start();
say('ready');
for await (const line of createInterface({ input: process.stdin })) ends.get(line)?.();
