import { describe, expect, it } from 'vitest';
import { picture } from '../support/openai-answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { attemptsInFlight, auditServing, filesOnDisk, filesOnRecord, readDatabase } from './audit.ts';
import { post, startLife } from './life.ts';
import { STEPS, STEPS_OF_DELETION, type Step, UNKNOWN_AFTER } from './steps.ts';

const makingSteps = (Object.keys(STEPS) as Step[]).filter((step) => !STEPS_OF_DELETION.has(step));

const callsFor = (upstream: OpenAiServer, prompt: string) =>
  upstream.calls.filter(({ body }) => body.prompt === prompt).length;

describe('a process killed at a named step', () => {
  it('goes on from there at the next start, and pays again only where the outcome is unknown', async () => {
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
        const { images, faults } = readDatabase(folder.path);
        expect(faults).toEqual([]);
        expect(images.map(({ status }) => status)).toEqual(makingSteps.map(() => 'succeeded'));
        expect(filesOnDisk(folder.path)).toEqual(filesOnRecord(images));
        expect(await auditServing(life.url, folder.path, images)).toEqual([]);
        break;
      }
      if (step === 'afterSend') upstream.script(picture({ beforeHeaders: 'forever' }));
      const answer = post(life.url, { mediaId, prompt: step });
      if (step === 'afterSend') {
        await upstream.until(() => callsFor(upstream, step) === 1);
        life.child.kill('SIGKILL');
      }
      await expect(answer, step).rejects.toThrow('fetch failed');
      expect(await life.exited, step).toBe('SIGKILL');
      const { images, faults } = readDatabase(folder.path);
      expect.soft(faults).toEqual([]);
      expect.soft(attemptsInFlight(folder.path, images), step).toHaveLength(UNKNOWN_AFTER.has(step) ? 1 : 0);
      previous = { step, mediaId };
    }
  });
});
