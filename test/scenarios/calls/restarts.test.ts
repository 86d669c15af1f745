import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';
import { startProcess } from '../../support/app/process.ts';
import { drive, finish, statuses } from '../../support/calls/example-calls.ts';
import { picture } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

const MINUTE_MS = 60_000;

it('after its end a call is collected for 10 minutes, whole each time, over restarts, and then no more', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const start = () => startEasel({ folder: folder.path, upstream });
  let id = '';
  {
    await using easel = await start();
    const { fresh, retry } = drive(easel.services);
    const first = await finish(easel.services, await fresh(2));
    id = first.id;
    const collected = async () => {
      const call = await retry(2);
      return { id: call.id, images: (await finish(easel.services, call)).images };
    };
    expect(await collected()).toEqual(first);
    easel.clock.advance(9 * MINUTE_MS);
    expect(await collected()).toEqual(first);
  }
  await using easel = await start();
  const { retry, isKnown } = drive(easel.services);
  const again = await retry(2);
  expect([again.id, again.started, statuses(again)]).toEqual([id, false, ['succeeded', 'succeeded']]);
  expect(upstream.calls).toHaveLength(2);
  expect(await isKnown({ retryCount: 3 })).toBe(true);
  easel.clock.advance(10 * MINUTE_MS);
  expect(await isKnown({ retryCount: 3 })).toBe(false);
  const late = await retry(2);
  expect(late.started).toBe(true);
  await finish(easel.services, late);
  expect(upstream.calls).toHaveLength(4);
});

it('after a restart a retry joins a run that goes on before it collects what an earlier process may have given', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  // No wait is skipped, so that the second service does not begin before the first has ended.
  const start = () => startEasel({ folder: folder.path, upstream, env: { CONCURRENCY: '1' }, skipMs: 0 });
  let given = '';
  let queued = '';
  {
    await using easel = await start();
    const { fresh } = drive(easel.services);
    given = (await finish(easel.services, await fresh())).id;
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    await fresh();
    await gate.reached();
    queued = (await fresh()).id;
    const stopped = easel.services.stop({ graceMs: 60 * MINUTE_MS, finishMs: MINUTE_MS });
    gate.open();
    await stopped;
  }
  await using easel = await start();
  const { retry } = drive(easel.services);
  expect((await retry()).id).toBe(queued);
  expect((await retry()).id).toBe(given);
});

it('a process that is killed in the middle loses no call: each retry joins another one, and nothing is paid twice in doubt', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)] as const;
  const made = [one, one, one, two, one, one, two].map((digest) => ({ digest, count: digest === two ? 2 : 1 }));
  const gate = upstream.gate();
  upstream.script(...Array.from({ length: 4 }, () => picture()));
  upstream.always(picture({ beforeHeaders: gate }));
  const ids: string[] = [];
  {
    const script = fileURLToPath(new URL('../../support/calls/calling-process.ts', import.meta.url));
    await using calling = startProcess({
      folder: folder.path,
      command: [process.execPath, script, JSON.stringify(made)],
      env: {
        OPENAI_API_KEY: upstream.key ?? '',
        OPENAI_BASE_URL: upstream.baseUrl,
        IMAGE_SIZE: '1024x640',
        CONCURRENCY: '16',
      },
    });
    await until(() => {
      if (calling.child.exitCode !== null) throw new Error(calling.stderr());
      return calling.stdout().endsWith('\n');
    });
    ids.push(...(JSON.parse(calling.stdout()) as string[]));
    await upstream.received(9);
    await upstream.ended(4);
    calling.child.kill('SIGKILL');
    expect(await calling.exited).toBe('SIGKILL');
  }
  upstream.always(picture());
  gate.open();

  await using easel = await startEasel({ folder: folder.path, upstream });
  const { calls } = easel.services;
  const { send } = drive(easel.services);
  const joined = await Promise.all(made.map(({ digest, count }) => send({ digest, retryCount: 1 }, count)));
  expect(joined.map(({ id }) => id).sort()).toEqual(ids.toSorted());
  expect(joined.some(({ started }) => started)).toBe(false);
  const ended = await Promise.all(joined.map((call) => finish({ calls }, call)));
  expect(ended.map(({ images }) => images.length)).toEqual(made.map(({ count }) => count));
  const attempts = ended.flatMap(({ images }) => images.map((image) => image.attempts.map(({ outcome }) => outcome)));
  // A call that was out at the kill, or whose picture was not stored by then, is of unknown outcome and may be followed by one more.
  for (const outcomes of attempts) expect([['ok'], ['unknown', 'ok']]).toContainEqual(outcomes);
  expect(ended.flatMap(statuses)).toEqual(Array.from({ length: 9 }, () => 'succeeded'));
  expect(upstream.calls).toHaveLength(attempts.flat().length);
  expect(attempts.filter(({ length }) => length === 2).length).toBeGreaterThanOrEqual(5);
});
