/**
 * Crash points in the life of an image, each between two operations on disk or network.
 * `die-at-step.ts` kills the process at all of them but `afterSend`: only the stand-in model API can see that one, so the test kills
 * the process when the call has arrived there.
 */
export const STEPS = {
  afterInputStored: 'a picture to start from is durable, and no record names it',
  afterAccept: 'accepted durably, not answered yet',
  beforeSend: 'the attempt is on record, the call has not left',
  afterSend: 'the model has the call, and no answer has come',
  afterAnnounced: 'the URL of the picture is on record, and nothing of it was fetched',
  beforeOriginalNamed: 'the picture has come, and has no name on disk yet',
  afterOriginalDurable: 'the original is durable, and the record does not know it',
  afterOriginalRecorded: 'the record knows the original',
  betweenRenames: 'the first of the finished files has its name',
  beforeSucceeded: 'every file is in place, and the record does not say so',
  afterSucceeded: 'the record says succeeded, no event was published',
  afterDeletionNoted: 'the record is gone, its files are not',
  betweenUnlinks: 'the first of the files is gone',
  beforeDeletionDone: 'every file is gone, the note of them is not',
} as const;

export type Step = keyof typeof STEPS;

/** After a death here it cannot be known whether the call was billed: the attempt is `unknown`, and another may follow. */
export const UNKNOWN_AFTER: ReadonlySet<Step> = new Set(['beforeSend', 'afterSend', 'beforeOriginalNamed']);

/** Steps of a deletion or a cleanup; the others are those of making a picture. */
export const STEPS_OF_DELETION: ReadonlySet<Step> = new Set([
  'afterDeletionNoted',
  'betweenUnlinks',
  'beforeDeletionDone',
]);

/** The line that `kill-threads.ts` prints for each thread that it ends. */
export const THREAD_KILLED = 'a thread was killed';
