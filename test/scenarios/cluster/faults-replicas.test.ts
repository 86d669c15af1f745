import { describe, expect, it } from 'vitest';
import { picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';
import { sha256 } from '../../torture/audit.ts';
import { getRecord, post } from '../../torture/life.ts';
import type { Step } from '../../torture/steps.ts';
import { submit, threeReplicas, untilEachWorks, untilStatus } from './three-replicas.ts';

const DIES = new URL('../../torture/cluster/die-at-step.ts', import.meta.url);
const dyingAt = (step: Step, mediaId: string) => ({ preload: DIES, env: { DIE_AT: step, DIE_FOR: mediaId } });

describe('replicas that are killed', () => {
  it('have their jobs taken over at the step they had reached, and pay again only for a call of unknown outcome', async () => {
    await using trial = await threeReplicas({ env: { CONCURRENCY: '1' } });
    const { upstream, cluster, replica } = trial;
    // Each of them makes what it has accepted, as no other is there yet or free.
    const deaths: readonly ['A' | 'B', Step, readonly string[]][] = [
      ['A', 'beforeSend', ['unknown', 'ok']],
      ['B', 'afterOriginalDurable', ['ok']],
    ];
    for (const [name, step] of deaths) {
      const mediaId = step.toLowerCase();
      const { url, exited } = await replica(name).start(dyingAt(step, mediaId));
      await submit(url, mediaId).catch(() => null);
      expect(await exited, step).toBe('SIGKILL');
    }
    await trial.start('C');
    for (const [, step, outcomes] of deaths) {
      const mediaId = step.toLowerCase();
      await untilStatus(replica('C').url, mediaId, 'succeeded');
      expect(await trial.outcomes(mediaId), step).toEqual(outcomes);
      expect(
        upstream.calls.filter(({ body }) => body.prompt === mediaId),
        step,
      ).toHaveLength(1);
    }
    await trial.start('A', 'B');
    await untilEachWorks(cluster.replicas, 'after-the-kills');
  });
});

describe('a replica that is paused in the middle of its call', () => {
  it('publishes nothing and bills nothing twice when it goes on after another has made the picture', async () => {
    await using trial = await threeReplicas();
    const { upstream, cluster, replica } = trial;
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate, content: 'textured', revisedPrompt: 'of the paused one' }));
    await trial.start('A');
    await submit(replica('A').url, 'paused');
    await upstream.received(1);
    await trial.start('B', 'C');
    replica('A').pause();

    const made = await untilStatus(replica('B').url, 'paused', 'succeeded');
    expect(made.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    replica('A').resume();
    gate.open();
    // The paused one may close its own attempt: its call brought a picture after all.
    await until(async () => (await trial.outcomes('paused')).join() === 'ok,ok');

    const after = await getRecord(replica('C').url, 'paused');
    expect(after?.sha256).toBe(made.sha256);
    expect(after?.renditions).toEqual(made.renditions);
    expect(after?.revisedPrompt).toBe(made.revisedPrompt);
    expect(upstream.calls).toHaveLength(2);
    for (const { url } of cluster.replicas) {
      const bytes = await fetch(url + made.url).then((response) => response.bytes());
      expect(sha256(bytes)).toBe(made.sha256);
    }
    // Two calls were made, and two are in the books.
    expect(after?.cost.usd).toBeCloseTo(0.02);
    const usage = (await fetch(`${replica('A').url}/usage`).then((response) => response.json())) as {
      days: readonly { images: number; usd: number }[];
    };
    expect(usage.days.reduce((sum, { usd }) => sum + usd, 0)).toBeCloseTo(0.02);
    await untilEachWorks(cluster.replicas, 'after-the-pause');
  });

  it('has its picture kept where no other one was made, so that the same request is finished without a call', async () => {
    await using trial = await threeReplicas({ env: { AMBIGUOUS_RETRIES: '0' } });
    const { upstream, replica } = trial;
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    await trial.start('A');
    await submit(replica('A').url, 'kept');
    await upstream.received(1);
    await trial.start('B');
    replica('A').pause();
    await untilStatus(replica('B').url, 'kept', 'failed');

    replica('A').resume();
    gate.open();
    await until(async () => (await trial.outcomes('kept')).join() === 'ok');
    const { status, body } = await post(replica('B').url, { mediaId: 'kept', prompt: 'kept' });
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect(upstream.calls).toHaveLength(1);
  });
});
