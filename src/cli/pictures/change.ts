/** Commands that change pictures that are there. */

import type { Command } from 'commander';
import type { ImageRecord } from '../../client/shapes.ts';
import { describeFailure, EXIT_FAILED } from '../failure.ts';
import { printProblem, withProblems } from '../problem-output.ts';
import { addressOf } from '../service/address.ts';
import type { Session } from '../service/session.ts';
import { withEasel } from '../service/with-easel.ts';
import { describeMade, describeRecord, placeOf } from './describe.ts';
import { earlierRecord } from './earlier-record.ts';
import { withProgress } from './follow.ts';

interface JsonFlag {
  readonly json?: boolean;
}

/** Adds `cancel`. */
export function addCancel(program: Command): void {
  program
    .command('cancel')
    .description('stop making pictures; a picture that arrives after all is kept')
    .argument('<id...>', 'their mediaIds')
    .option('--json', 'print each record as POST /images/ID/cancel answers it, or the problem')
    .addHelpText('after', '\nA picture that has ended stays as it is.\n\nExample:\n  easel cancel article-42-hero')
    .action(async (mediaIds: readonly string[], { json = false }: JsonFlag, command: Command) => {
      await forEach(
        mediaIds,
        { json, command, path: (mediaId) => `/images/${mediaId}/cancel` },
        async (session, mediaId) => {
          const record = await session.easel.cancel(mediaId, { signal: session.signal });
          return json ? JSON.stringify(record, null, 2) : `${mediaId}: ${describeEnd(record)}`;
        },
      );
    });
}

function describeEnd({ status, cost }: ImageRecord): string {
  if (status !== 'cancelled') return `${status} already`;
  return cost.usd === 0
    ? 'cancelled; nothing was paid'
    : `cancelled; it has cost at most ${cost.usd === null ? 'an unknown amount' : `$${cost.usd}`}`;
}

/** Adds `rm`. */
export function addRm(program: Command): void {
  program
    .command('rm')
    .description('delete pictures: their files and their records')
    .argument('<id...>', 'their mediaIds')
    .option('--json', 'print {mediaId, deleted} for each, or the problem')
    .addHelpText('after', '\nWhat is deleted cannot be brought back.\n\nExample:\n  easel rm draft-1 draft-2')
    .action(async (mediaIds: readonly string[], { json = false }: JsonFlag, command: Command) => {
      await forEach(mediaIds, { json, command, path: (mediaId) => `/images/${mediaId}` }, async (session, mediaId) => {
        await session.easel.remove(mediaId, { signal: session.signal });
        return json ? JSON.stringify({ mediaId, deleted: true }, null, 2) : `${mediaId}: deleted`;
      });
    });
}

interface EachOptions {
  readonly json: boolean;
  readonly command: Command;
  readonly path: (mediaId: string) => string;
}

/** Prints what `change` resolves to for each picture. One that fails leaves the others to be changed; the exit code is 1 then. */
async function forEach(
  mediaIds: readonly string[],
  { json, command, path }: EachOptions,
  change: (session: Session, mediaId: string) => Promise<string>,
): Promise<void> {
  const [first = ''] = mediaIds;
  await withProblems(json, path(first), () =>
    withEasel(addressOf(command, process.env), async (session) => {
      let code = 0;
      for (const mediaId of mediaIds) {
        if (session.interrupted.aborted) break;
        try {
          console.log(await change(session, mediaId));
        } catch (error) {
          if (mediaIds.length === 1) throw error;
          if (json) printProblem(error, path(mediaId));
          console.error(`${mediaId}: ${describeFailure(error).message}`);
          code = EXIT_FAILED;
        }
      }
      return code;
    }),
  );
}

/** Adds `retry`. */
export function addRetry(program: Command): void {
  program
    .command('retry')
    .description('run a failed or cancelled picture again, although that may cost again')
    .argument('<id>', 'its mediaId')
    .option('--json', 'print the record as POST /images/ID/retry answers it, or the problem')
    .addHelpText(
      'after',
      '\nWith a sound original it is finished without a call. It waits for the end; Ctrl-C does what it does with generate.' +
        '\n\nExample:\n  easel retry article-42-hero',
    )
    .action(async (mediaId: string, flags: JsonFlag, command: Command) => {
      await withProblems(flags.json, `/images/${mediaId}/retry`, () => retry(mediaId, flags, command));
    });
}

async function retry(mediaId: string, { json = false }: JsonFlag, command: Command): Promise<number> {
  return await withEasel(addressOf(command, process.env), async (session) => {
    const { easel, payments, interrupted, signal } = session;
    payments.watch(mediaId, await earlierRecord(session, mediaId));
    await easel.retry(mediaId, { signal });
    const record = await withProgress(session, mediaId, () => easel.wait(mediaId, { signal }));
    if (interrupted.aborted) return 0;
    const place = placeOf(record, session.url);
    const forPeople = record.status === 'succeeded' ? describeMade : describeRecord;
    console.log(json ? JSON.stringify(record, null, 2) : forPeople(record, place));
    return 0;
  });
}
