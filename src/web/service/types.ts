/** The shapes of the API, from its schemas. */

import type { z } from 'zod';
import type { cleanupReport, lastCleanup } from '../../api/cleanup.ts';
import type { createImage, patchImage, requestPreview } from '../../api/create-image.ts';
import type { imageRecord } from '../../api/image-record.ts';
import type { modelList } from '../../api/models.ts';
import type { presetList } from '../../api/presets.ts';
import type { ProblemCode, problem } from '../../api/problem.ts';
import type { provenanceRecord } from '../../api/provenance.ts';
import type { usageReport } from '../../api/usage.ts';

export type { ProblemCode };
export type Problem = z.output<typeof problem>;
export type ImageRecord = z.output<typeof imageRecord>;
export type ImageStatus = ImageRecord['status'];
export type Rendition = ImageRecord['renditions'][number];
export type Attempt = ImageRecord['attempts'][number];
export type CreateImage = z.input<typeof createImage>;
export type PatchImage = z.input<typeof patchImage>;
export type RequestPreview = z.output<typeof requestPreview>;
export type Model = z.output<typeof modelList>['items'][number];
export type Preset = z.output<typeof presetList>['items'][number];
export type Provenance = z.output<typeof provenanceRecord>;

/** A page of the list, newest first. */
export interface ImagePage {
  readonly items: readonly ImageRecord[];
  readonly nextCursor: string | null;
}

/** `GET /operations`. */
export interface OperationsReport {
  readonly providers: readonly ProviderReport[];
  readonly queue: {
    readonly queued: number;
    readonly running: number;
    readonly limit: number;
    readonly oldestQueuedAt: string | null;
  };
  readonly disk: { readonly freeBytes: number | null; readonly mediaBytes: number; readonly maxBytes: number | null };
  readonly cleanup: { readonly nextAt: string | null; readonly last: LastCleanup | null };
  readonly stages: readonly {
    readonly stage: string;
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly count: number;
  }[];
  readonly instances: readonly unknown[];
}

export interface ProviderReport {
  readonly name: string;
  readonly model: string;
  readonly state: 'closed' | 'open' | 'half_open' | 'paused';
  readonly since: string;
  readonly until?: string;
  readonly concurrency: number;
  readonly perMinute: number | null;
  readonly lastError?: { readonly detail: string; readonly at: string };
}

export type Usage = z.output<typeof usageReport>;
export type CleanupReport = z.output<typeof cleanupReport> & { readonly mediaIds?: readonly string[] };
export type LastCleanup = z.output<typeof lastCleanup>;

/** An item of `GET /deliveries`. */
export interface FailingDelivery {
  readonly id: string;
  readonly mediaId: string;
  readonly host: string;
  readonly status: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly nextAttemptAt: string | null;
}
