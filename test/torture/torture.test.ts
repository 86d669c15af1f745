import { describe, expect, it } from 'vitest';
import { picture } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { attemptsInFlight, auditServing, filesOnDisk, filesOnRecord, readDatabase } from './audit.ts';
import { ageInputs, anyPictures } from './edit-pictures.ts';
import { post, startLife } from './life.ts';
import { playRound, withEdits } from './round.ts';
import { STEPS, STEPS_OF_DELETION, type Step, UNKNOWN_AFTER } from './steps.ts';

/** Those of a picture that is made from words alone. */
const makingSteps = (Object.keys(STEPS) as Step[]).filter(
  (step) => step !== 'afterInputStored' && !STEPS_OF_DELETION.has(step),
);

const callsFor = (upstream: OpenAiServer, prompt: string) =>
  upstream.calls.filter(({ body }) => body.prompt === prompt).length;

describe('a process killed at a named step', () => {
  it('resumes from that step at the next start, and pays again only where the outcome is unknown', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    let previous: { step: Step; mediaId: string } | null = null;

    for (const step of [...makingSteps, null]) {
      const mediaId = step?.toLowerCase() ?? 'after-all';
      await using life = await startLife({
        folder: folder.path,
        upstream,
        death: step && step !== 'afterSend' ? { step, mediaId } : null,
      });
      if (previous !== null) {
        // The same request again joins the run or finds it done.
        const { status, body } = await post(life.url, { mediaId: previous.mediaId, prompt: previous.step });
        const unknown = UNKNOWN_AFTER.has(previous.step);
        const sent = previous.step === 'beforeSend' ? 0 : 1;
        expect.soft({ step: previous.step, status, outcomes: body.attempts.map(({ outcome }) => outcome) }).toEqual({
          step: previous.step,
          status: 200,
          outcomes: unknown ? ['unknown', 'ok'] : ['ok'],
        });
        expect.soft(callsFor(upstream, previous.step), previous.step).toBe(unknown ? sent + 1 : 1);
        expect.soft(filesOnDisk(folder.path).filter((name) => name.startsWith('.tmp/'))).toEqual([]);
      }
      if (step === null) {
        const { images, findings } = readDatabase(folder.path);
        expect(findings).toEqual([]);
        expect(images.map(({ status }) => status)).toEqual(makingSteps.map(() => 'succeeded'));
        expect(filesOnDisk(folder.path)).toEqual(filesOnRecord(images));
        expect(await auditServing(life.url, folder.path, images)).toEqual([]);
        break;
      }
      if (step === 'afterSend') upstream.script(picture({ beforeHeaders: 'forever' }));
      if (step === 'afterAnnounced') upstream.script(picture({ as: 'url' }));
      const answer = post(life.url, { mediaId, prompt: step });
      if (step === 'afterSend') {
        await upstream.until(() => callsFor(upstream, step) === 1);
        life.child.kill('SIGKILL');
      }
      await expect(answer, step).rejects.toThrow('fetch failed');
      expect(await life.exited, step).toBe('SIGKILL');
      const { images, findings } = readDatabase(folder.path);
      expect.soft(findings).toEqual([]);
      expect.soft(attemptsInFlight(folder.path, images), step).toHaveLength(UNKNOWN_AFTER.has(step) ? 1 : 0);
      previous = { step, mediaId };
    }
  });
});

describe('a process killed again and again', () => {
  it('finds the picture of a later call, although an earlier call was lost', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const request = { mediaId: 'twice', prompt: 'killed twice' };
    for (const step of ['beforeSend', 'afterOriginalDurable'] as const) {
      await using life = await startLife({ folder: folder.path, upstream, death: { step, mediaId: 'twice' } });
      await post(life.url, request).catch(() => null);
      expect(await life.exited).toBe('SIGKILL');
    }
    await using life = await startLife({ folder: folder.path, upstream });
    const { status, body } = await post(life.url, request);
    expect([status, body.attempts.map(({ outcome }) => outcome)]).toEqual([200, ['unknown', 'ok']]);
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('a process killed before it accepts an edit', () => {
  it('leaves pictures that a cleanup removes once they are old, and makes the edit once when it is sent again', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const env = withEdits(folder.path);
    const files = anyPictures(() => 0);
    const edit = (url: string, prompt: string) =>
      post(url, { prompt, mediaId: prompt, inputs: [{ file: 'image[0]' }], mask: { file: 'mask' } }, {}, files);
    {
      await using life = await startLife({ folder: folder.path, upstream, env, death: { step: 'afterInputStored' } });
      await expect(edit(life.url, 'killed')).rejects.toThrow('fetch failed');
      expect(await life.exited).toBe('SIGKILL');
    }
    const { images } = readDatabase(folder.path);
    expect([images, filesOnDisk(folder.path).length]).toEqual([[], 1]);
    await using life = await startLife({ folder: folder.path, upstream, env });
    ageInputs(folder.path);
    await fetch(`${life.url}/cleanup`, { method: 'POST' });
    expect(filesOnDisk(folder.path)).toEqual([]);
    expect((await edit(life.url, 'killed')).status).toBe(201);
    expect(upstream.calls.map((call) => call.files.length)).toEqual([2]);
    const after = readDatabase(folder.path);
    expect(filesOnDisk(folder.path)).toEqual(filesOnRecord(after.images));
  });
});

describe('a process killed while it deletes', () => {
  it('completes the begun deletions at the next start, and keeps the other images', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    const remove = (mediaId: string) => (url: string) => fetch(`${url}/images/${mediaId}`, { method: 'DELETE' });
    const deaths: readonly [Step | null, string, (url: string) => Promise<Response>, readonly string[]][] = [
      ['afterDeletionNoted', 'one', remove('one'), ['two', 'three', 'four']],
      ['beforeDeletionDone', 'two', remove('two'), ['three', 'four', 'one']],
      // A cleanup, oldest first, in the middle of the files of the second image.
      ['betweenUnlinks', 'four', (url) => fetch(`${url}/cleanup`, cleanEverything), ['one', 'two']],
      [null, '', (url) => fetch(url), ['one', 'two', 'three', 'four']],
    ];
    let expected: readonly string[] = [];
    for (const [step, mediaId, order, left] of deaths) {
      await using life = await startLife({ folder: folder.path, upstream, death: step && { step, mediaId } });
      const before = expected;
      await until(async () => {
        const { images } = readDatabase(folder.path);
        return images.length === before.length && filesOnDisk(folder.path).join() === filesOnRecord(images).join();
      });
      // The names of deleted images can be used again.
      for (const name of ['one', 'two', 'three', 'four']) {
        const { status } = await post(life.url, { mediaId: name, prompt: name });
        expect(status, name).toBe(before.includes(name) ? 200 : 201);
      }
      if (step === null) {
        expect(await auditServing(life.url, folder.path, readDatabase(folder.path).images)).toEqual([]);
        break;
      }
      await expect(order(life.url), step).rejects.toThrow('fetch failed');
      expect(await life.exited).toBe('SIGKILL');
      const { images, findings } = readDatabase(folder.path);
      expect(findings).toEqual([]);
      expect(images.map((image) => image.mediaId).sort(), step).toEqual([...left].sort());
      expected = left;
    }
  });
});

describe('a round of torture', () => {
  it('loses no image, serves no partial file and pays for nothing twice', async () => {
    const report = await playRound({ seed: `${Date.now()}`, deaths: 2, requests: 10 });
    expect(report.violations, JSON.stringify(report)).toEqual([]);
    expect(report.accepted).toBeGreaterThan(10);
  });

  it('keeps these promises while its worker threads are killed, too', async () => {
    const report = await playRound({ seed: `${Date.now()}`, deaths: 2, requests: 10, killsThreads: true });
    expect(report.violations, JSON.stringify(report)).toEqual([]);
    expect(report.accepted).toBeGreaterThan(10);
    expect(report.killedThreads).toBeGreaterThan(0);
  });
});

const cleanEverything = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ olderThan: '0s' }),
};
