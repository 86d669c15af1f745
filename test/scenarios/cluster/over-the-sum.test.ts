import { expect, it } from 'vitest';
import { startReceiver, TEST_SECRET } from '../../support/network/webhook-receiver.ts';
import { until } from '../../support/until.ts';
import { submit, threeReplicas, untilStatus } from './three-replicas.ts';

/** Long beside what a cleanup takes, also on a busy machine: three replicas that each ran their own would all do so in a third of it. */
const CLEANUP_SECONDS = 3;

const ids = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}-${index}`);

/** Sends a request for each image, to these replicas in turns and all at once, and says how each was answered. */
async function postAll(urls: readonly string[], mediaIds: readonly string[]): Promise<readonly string[]> {
  return await Promise.all(
    mediaIds.map(async (mediaId, index) => {
      const response = await fetch(`${urls[index % urls.length]}/images`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ mediaId, prompt: mediaId }),
      });
      const { code = 'accepted' } = (await response.json()) as { code?: string };
      return `${response.status} ${code}`;
    }),
  );
}

/** That so many of the requests were accepted, and the others refused with this code. */
function expectAccepted(answers: readonly string[], accepted: number, code: string): void {
  const expected = answers.map((_, index) => (index < accepted ? '202 accepted' : `429 ${code}`));
  expect(answers.toSorted()).toEqual(expected);
}

it('no more pictures wait than QUEUE_LIMIT, and a day costs no more than the budget, wherever they are asked for', async () => {
  await using trial = await threeReplicas({ env: { QUEUE_LIMIT: '4', BUDGET_USD_PER_DAY: '0.10' } });
  const { replica, cluster, upstream } = trial;
  const starts = (['A', 'B'] as const).map((name) => replica(name).start({ env: { ROLE: 'api' } }));
  const urls = (await Promise.all(starts)).map(({ url }) => url);
  const allMade = () =>
    until(async () => {
      const [row] = await cluster.query("SELECT count(*) AS open FROM easel.images WHERE status <> 'succeeded'");
      return Number(row?.open) === 0;
    });

  // None of these runs before there is a worker.
  expectAccepted(await postAll(urls, ids('waits', 10)), 4, 'queue_full');
  await replica('C').start({ env: { ROLE: 'worker' } });
  await allMade();
  expectAccepted(await postAll(urls, ids('fits', 4)), 4, 'budget_exhausted');
  await allMade();
  // Of ten pictures of a cent two are left.
  expectAccepted(await postAll(urls, ids('spent', 4)), 2, 'budget_exhausted');
  await allMade();
  expect(upstream.calls).toHaveLength(10);
});

it('each webhook is sent by one of all, and each cleanup is run by one', async () => {
  await using receiver = await startReceiver();
  // The same message twice at a time is seen only where the first takes a while.
  receiver.always({ delivery: { beforeHeaders: 100 } });
  await using trial = await threeReplicas({
    env: {
      CLEANUP_INTERVAL_SECONDS: String(CLEANUP_SECONDS),
      WEBHOOK_SECRET: TEST_SECRET,
      WEBHOOK_ALLOW_HOSTS: receiver.host,
    },
  });
  const { cluster } = trial;
  await trial.start('A', 'B', 'C');
  const mediaIds = ids('hook', 12);
  for (const [index, mediaId] of mediaIds.entries())
    await submit(cluster.replicas[index % 3]?.url ?? '', mediaId, { webhookUrl: receiver.url });
  for (const mediaId of mediaIds) await untilStatus(cluster.replicas[0]?.url ?? '', mediaId, 'succeeded');
  await until(async () => {
    const [row] = await cluster.query('SELECT count(*) AS due FROM easel.deliveries WHERE due_at IS NOT NULL');
    return Number(row?.due) === 0;
  });
  expect(receiver.received.map(({ message }) => message.data.mediaId).toSorted()).toEqual(mediaIds.toSorted());
  expect(receiver.overlaps).toBe(0);

  /** When the replicas cleaned up, all of them, in milliseconds. */
  const cleanups = () =>
    cluster.replicas
      .flatMap(({ service }) => (service?.stdout() ?? '').trim().split('\n'))
      .map((line) => JSON.parse(line) as { msg: string; time: string | number })
      .filter(({ msg }) => msg === 'cleanup')
      .map(({ time }) => new Date(time).getTime());
  await until(() => cleanups().length >= 4);
  const times = cleanups();
  const intervals = (Math.max(...times) - Math.min(...times)) / (CLEANUP_SECONDS * 1_000);
  // A cleanup that ended late leaves nine tenths of an interval at least until the next.
  expect(times.length).toBeLessThanOrEqual(2 + intervals / 0.9);
});
