/** A cleanup: what may be asked of it, and its report. */

import { z } from 'zod';
import { FINISHED_STATUSES } from '../core/domain/image.ts';
import { ageText } from '../core/planning/notation.ts';
import type { CleanupReport, LastCleanup } from '../core/ports/record-store.ts';
import { nonBlankText, timestamp } from './fields.ts';

/** Body of `POST /cleanup`, which may be left out. */
export const cleanupBody = z
  .strictObject({
    olderThan: ageText.optional().meta({
      description: 'Delete what is older. Default: `RETENTION`. What has reached its `expiresAt` goes in any case.',
      examples: ['30d', '12h'],
    }),
    maxBytes: z
      .int()
      .nonnegative()
      .optional()
      .meta({
        description:
          'Then delete the oldest until all files take no more than this, those of pictures that `status`, `label` and `key` leave ' +
          'out too. Default: `MEDIA_MAX_BYTES`.',
        examples: [10_000_000_000],
      }),
    status: z
      .enum(FINISHED_STATUSES)
      .optional()
      .meta({ description: 'Only these. Unfinished pictures are never cleaned up.' }),
    label: nonBlankText
      .max(64)
      .optional()
      .meta({ description: 'Only those with this label.', examples: ['draft'] }),
    key: nonBlankText
      .max(200)
      .optional()
      .meta({ description: 'Only those that the key of this name made.', examples: ['editor'] }),
    dryRun: z.boolean().optional().meta({ description: 'Only say what would go.' }),
  })
  .optional()
  .transform(({ olderThan, key, ...options } = {}) => ({ ...options, owner: key, olderThanMs: olderThan }))
  .meta({
    id: 'CleanupOrder',
    description:
      'What is given must all hold for a picture to go. With `label` or `key` files without a record stay, since they have neither.',
    examples: [{ olderThan: '30d', dryRun: true }],
  });

/** Answer of `POST /cleanup`. */
export const cleanupReport = z
  .strictObject({
    deleted: z.int().meta({ description: 'Pictures deleted, or to be deleted in a dry run.' }),
    mediaIds: z
      .array(z.string())
      .readonly()
      .exactOptional()
      .meta({ description: 'In a dry run alone: the first 100 pictures that would go, in their order.' }),
    freedBytes: z.int(),
    kept: z.int(),
    orphansRemoved: z
      .int()
      .meta({ description: 'Files without a record, older than an hour; originals only when older than 30 days.' }),
    foreignFiles: z.int().meta({ description: 'Files whose names Easel cannot have given. They are left alone.' }),
    missingFiles: z.int().meta({
      description:
        'Pictures on record as `succeeded` of which a published file is gone or damaged. Unless this is a dry run, the files of the ' +
        'first 100 are made again from their originals, without paying. Those whose original is gone too stay as they ' +
        'are: delete them, and send the request again. With fewer files than pictures nothing is changed, since rather ' +
        'a volume is not mounted.',
    }),
    missingFilesOf: z.array(z.string()).readonly().meta({ description: 'Their mediaIds, newest first; at most 100.' }),
    failures: z.int().meta({
      description:
        'Files and pictures that could not be dealt with, such as a file that cannot be removed. The rest was done, the log says ' +
        'why, and the next cleanup tries again; until one has succeeded, `GET /health` says `degraded`.',
    }),
    failuresOf: z.array(z.string()).readonly().meta({ description: 'File names and mediaIds; at most 100.' }),
    dryRun: z.boolean(),
    durationMs: z.number(),
  })
  .meta({ id: 'CleanupReport' });

/** Answer of `GET /cleanup/last`. */
export const lastCleanup = cleanupReport.extend({ time: timestamp('When it ended.') }).meta({ id: 'LastCleanup' });

/** Makes the answer of a cleanup that has ended. */
export function toCleanupReport(report: CleanupReport): z.output<typeof cleanupReport> {
  const { deleted, freedBytes, kept, orphansRemoved, foreignFiles, missingFiles, missingFilesOf } = report;
  const { failures, failuresOf, dryRun, durationMs, mediaIds } = report;
  return {
    deleted,
    ...(mediaIds && { mediaIds }),
    freedBytes,
    kept,
    orphansRemoved,
    foreignFiles,
    missingFiles,
    missingFilesOf,
    failures,
    failuresOf,
    dryRun,
    durationMs,
  };
}

/** Makes the answer of the last cleanup, with the time at which it ended. */
export function toLastCleanup(last: LastCleanup): z.output<typeof lastCleanup> {
  return { ...toCleanupReport(last), time: last.time };
}
