import { expect, it } from 'vitest';
import type { RunningService } from '../../support/app/process.ts';
import { openReplicas, post } from '../../support/cluster/replicas.ts';
import { startOtlpReceiver } from '../../support/network/otlp-receiver.ts';
import { picture } from '../../support/openai/answers.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

type Line = Readonly<Record<string, unknown>>;

const linesOf = ({ stdout }: RunningService): readonly Line[] =>
  stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
const instanceOf = (replica: RunningService): unknown => linesOf(replica)[0]?.instance;

it('one trace shows a picture that is accepted at A, made at B and watched at C', async () => {
  await using receiver = await startOtlpReceiver();
  await using cluster = await openReplicas('bucket');
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, LOG_LEVEL: 'info' };
  const [a, b, c] = await Promise.all([
    cluster.start('api', env),
    cluster.start('worker', env),
    cluster.start('api', env),
  ]);
  const gate = cluster.upstream.gate();
  cluster.upstream.script(picture({ beforeHeaders: gate }));
  const accepted = await post(a, { mediaId: 'm', prompt: 'a lighthouse' }, { prefer: 'respond-async', traceparent });
  expect(accepted.status).toBe(202);
  await gate.reached();
  const events = await fetch(`${c.url}/images/m/events`, { headers: { traceparent } });
  gate.open();
  expect(await events.text()).toContain('event: done');
  // At its end a replica sends the spans that it has.
  for (const { child } of [a, b, c]) child.kill('SIGTERM');
  await Promise.all([a, b, c].map(({ exited }) => exited));

  const named = new Map([a, b, c].map((replica, index) => [instanceOf(replica), 'ABC'[index]]));
  expect(named.size).toBe(3);
  const spans = receiver.spans.filter(({ traceId }) => traceId === TRACE);
  const shown = spans.map(({ instance, name }) => `${named.get(instance)} ${name}`);
  expect(shown).toEqual(
    expect.arrayContaining(['A POST /images', 'B job', 'B finish', 'C GET /images/:mediaId/events']),
  );
  expect(spans.find(({ name }) => name === 'job')?.parentSpanId).toBe(
    spans.find(({ name }) => name === 'POST /images')?.spanId,
  );
  for (const [replica, msg] of [
    [a, 'request'],
    [b, 'picture received'],
    [c, 'request'],
  ] as const) {
    const lines = linesOf(replica).filter((line) => line.trace_id === TRACE);
    expect(lines).toContainEqual(expect.objectContaining({ msg, instance: instanceOf(replica) }));
  }
});
