/** Settings of the cleanup: which images it deletes, and when it runs. */

import { z } from 'zod';
import { ageText } from '../core/planning/notation.ts';
import { bytes, list, type SettingsOf, seconds } from './setting-types.ts';

/** `draft:1d`: a label, and the age at which images with it are deleted. */
const labelledAge = z
  .string()
  .regex(/^[^:]+:[^:]+$/, 'must be LABEL:AGE, such as draft:1d')
  .transform((value) => value.split(':'))
  .pipe(z.tuple([z.string(), ageText]));

export const retentionSettings = {
  RETENTION: ageText
    .optional()
    .describe('Delete pictures older than this, such as `30d`, counted from their latest request. Default: never.'),
  RETENTION_BY_LABEL: list(labelledAge)
    .optional()
    .describe(
      'Other ages for pictures with a label, such as `draft:1d,press:365d`; the longest counts. What is pinned stays.',
    ),
  MEDIA_MAX_BYTES: bytes(1, 50)
    .optional()
    .describe(
      'Delete the oldest pictures when all files on disk, originals included, together take more than this, in bytes.',
    ),
  CLEANUP_INTERVAL_SECONDS: seconds(1).default(3600).describe('How often the cleanup runs by itself.'),
} as const;

export interface RetentionConfig {
  readonly retention: {
    /** Age at which images are deleted, in milliseconds; null for never. */
    readonly olderThanMs: number | null;
    /** Limit for the bytes of all files together; null for none. */
    readonly maxBytes: number | null;
    /** Age at which images with a label are deleted, in milliseconds, by label. */
    readonly byLabel: ReadonlyMap<string, number>;
    /** Time between two cleanups, in milliseconds. */
    readonly intervalMs: number;
  };
}

export function retentionConfig(settings: SettingsOf<typeof retentionSettings>): RetentionConfig {
  return {
    retention: {
      olderThanMs: settings.RETENTION ?? null,
      maxBytes: settings.MEDIA_MAX_BYTES ?? null,
      byLabel: new Map(settings.RETENTION_BY_LABEL),
      intervalMs: settings.CLEANUP_INTERVAL_SECONDS * 1000,
    },
  };
}
