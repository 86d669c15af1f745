import { describe, expect, it } from 'vitest';
import { hang, picture } from '../../support/openai/answers.ts';
import { LONGEST_WAIT_MS, until } from '../../support/until.ts';
import { sha256 } from '../../torture/audit.ts';
import { getRecord, post } from '../../torture/life.ts';
import type { Step } from '../../torture/steps.ts';
import { report, submit, threeReplicas, untilEachWorks, untilStatus } from './three-replicas.ts';

const DIES = new URL('../../torture/cluster/die-at-step.ts', import.meta.url);
const dyingAt = (step: Step, mediaId: string) => ({ preload: DIES, env: { DIE_AT: step, DIE_FOR: mediaId } });

/** The steps of a picture at which a replica is killed: the outcomes that are on record in the end, and the calls that were made. */
const DEATHS: readonly (readonly [step: Step, outcomes: readonly string[], calls: number])[] = [
  ['afterAccept', ['ok'], 1],
  ['beforeSend', ['unknown', 'ok'], 1],
  ['afterSend', ['unknown', 'ok'], 2],
  ['beforeOriginalNamed', ['unknown', 'ok'], 2],
  ['afterOriginalDurable', ['ok'], 1],
  ['afterOriginalRecorded', ['ok'], 1],
  ['betweenRenames', ['ok'], 1],
  ['beforeSucceeded', ['ok'], 1],
  ['afterSucceeded', ['ok'], 1],
];

describe('replicas that are killed', () => {
  it('have their jobs taken over at the step they had reached, and pay again only for a call of unknown outcome', {
    timeout: (DEATHS.length + 3) * LONGEST_WAIT_MS,
  }, async () => {
    await using trial = await threeReplicas({ env: { CONCURRENCY: '1' } });
    const { upstream, cluster, replica } = trial;
    for (const [step] of DEATHS) {
      const mediaId = step.toLowerCase();
      // It makes what it has accepted, as no other is there.
      const { url, child, exited } = await replica('A').start(dyingAt(step, mediaId));
      if (step === 'afterSend') upstream.script(hang());
      const calls = upstream.calls.length;
      await submit(url, mediaId).catch(() => null);
      if (step === 'afterSend') {
        await upstream.received(calls + 1);
        child.kill('SIGKILL');
      }
      expect(await exited, step).toBe('SIGKILL');
    }
    await trial.start('B', 'C');
    for (const [step, outcomes, calls] of DEATHS) {
      const mediaId = step.toLowerCase();
      await untilStatus(replica('C').url, mediaId, 'succeeded');
      expect(await trial.outcomes(mediaId), step).toEqual(outcomes);
      const made = upstream.calls.filter(({ body }) => body.prompt === mediaId);
      expect(made, step).toHaveLength(calls);
    }
    await trial.start('A');
    await untilEachWorks(cluster.replicas, 'after-the-kills');
  });

  it('in the middle of a call lose it to one that lives, as soon as their heartbeat is missed', async () => {
    await using trial = await threeReplicas({ env: { CONCURRENCY: '1' } });
    const { upstream, cluster, replica } = trial;
    await trial.start('A', 'B', 'C');
    const gate = upstream.gate();
    // Each replica has one slot, and so one of the three calls.
    const mediaIds = ['one', 'two', 'three'];
    upstream.script(...mediaIds.map(() => picture({ beforeHeaders: gate })));
    for (const mediaId of mediaIds) await submit(replica('B').url, mediaId);
    await upstream.received(3);
    replica('A').service?.child.kill('SIGKILL');
    const killedAt = Date.now();
    await replica('A').service?.exited;
    gate.open();
    for (const mediaId of mediaIds) await untilStatus(replica('B').url, mediaId, 'succeeded');
    const lost: string[] = [];
    for (const mediaId of mediaIds) {
      const outcomes = (await trial.outcomes(mediaId)).join();
      if (outcomes === 'unknown,ok') lost.push(mediaId);
      else expect(outcomes, mediaId).toBe('ok');
    }
    expect(lost).toHaveLength(1);
    expect(upstream.calls).toHaveLength(4);
    report('from SIGKILL to the next call', (await trial.calledAt(String(lost[0]))) - killedAt);
    await trial.start('A');
    await untilEachWorks(cluster.replicas, 'after-the-kill');
  });
});

describe('a replica that is paused in the middle of its call', () => {
  it('publishes nothing and bills nothing twice when it goes on after another has made the picture, or while it is', async () => {
    await using trial = await threeReplicas();
    const { upstream, cluster, replica } = trial;
    const ofPaused = upstream.gate();
    const ofOther = upstream.gate();
    const mediaIds = ['made', 'in-the-making'];
    upstream.always(({ body: { prompt } }) => {
      const made = upstream.calls.filter(({ body }) => body.prompt === prompt).length;
      if (!mediaIds.includes(String(prompt))) return picture();
      if (made === 1)
        return picture({ beforeHeaders: ofPaused, content: 'textured', revisedPrompt: 'of the paused one' });
      return prompt === 'in-the-making' ? picture({ beforeHeaders: ofOther }) : picture();
    });
    await trial.start('A');
    for (const mediaId of mediaIds) await submit(replica('A').url, mediaId);
    await upstream.received(2);
    await trial.start('B', 'C');
    replica('A').pause();
    const pausedAt = Date.now();

    const made = await untilStatus(replica('B').url, 'made', 'succeeded');
    report('from SIGSTOP to the next call', (await trial.calledAt('made')) - pausedAt);
    expect(made.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    await upstream.received(4);
    replica('A').resume();
    ofPaused.open();
    // The paused one may close its own attempts: its calls brought pictures after all.
    await until(async () => (await trial.outcomes('made')).join() === 'ok,ok');
    await until(async () => (await trial.outcomes('in-the-making'))[0] === 'ok');
    expect((await getRecord(replica('C').url, 'in-the-making'))?.status).toBe('generating');
    ofOther.open();
    const later = await untilStatus(replica('C').url, 'in-the-making', 'succeeded');
    expect(later.revisedPrompt).not.toBe('of the paused one');

    const after = await getRecord(replica('C').url, 'made');
    expect(after?.sha256).toBe(made.sha256);
    expect(after?.renditions).toEqual(made.renditions);
    expect(after?.revisedPrompt).toBe(made.revisedPrompt);
    expect(upstream.calls).toHaveLength(4);
    for (const { url } of cluster.replicas) {
      for (const record of [made, later]) {
        const bytes = await fetch(url + record.url).then((response) => response.bytes());
        expect(sha256(bytes)).toBe(record.sha256);
      }
    }
    // Two calls were made for each, and are in the books.
    expect(after?.cost.usd).toBeCloseTo(0.02);
    expect(later.cost.usd).toBeCloseTo(0.02);
    const usage = (await fetch(`${replica('A').url}/usage`).then((response) => response.json())) as {
      days: readonly { images: number; usd: number }[];
    };
    expect(usage.days.reduce((sum, { usd }) => sum + usd, 0)).toBeCloseTo(0.04);
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
