/** The shapes of the API, from its schemas. */

import type { z } from 'zod';
import type { cleanupReport, lastCleanup } from '../../api/cleanup.ts';
import type { createImage, patchImage, requestPreview } from '../../api/create-image.ts';
import type { deliveryPage } from '../../api/deliveries.ts';
import type { partialPicture, statusReport } from '../../api/events.ts';
import type { imageList, labelList } from '../../api/image-list.ts';
import type { imageRecord } from '../../api/image-record.ts';
import type { modelList } from '../../api/models.ts';
import type { operationsReport } from '../../api/operations.ts';
import type { presetList } from '../../api/presets.ts';
import type { problem } from '../../api/problem.ts';
import type { ProblemCode } from '../../api/problem-kinds.ts';
import type { provenanceRecord } from '../../api/provenance.ts';
import type { retryCost } from '../../api/retry-cost.ts';
import type { usageReport } from '../../api/usage.ts';
import type { whoami } from '../../api/whoami.ts';

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
export type ImagePage = z.output<typeof imageList>;

export type Identity = z.output<typeof whoami>;
export type RetryCost = z.output<typeof retryCost>;
export type LabelCount = z.output<typeof labelList>['items'][number];
export type OperationsReport = z.output<typeof operationsReport>;
export type ProviderReport = OperationsReport['providers'][number];
export type FailingDelivery = z.output<typeof deliveryPage>['items'][number];
export type Usage = z.output<typeof usageReport>;
export type CleanupReport = z.output<typeof cleanupReport>;
export type LastCleanup = z.output<typeof lastCleanup>;
export type StatusReport = z.output<typeof statusReport>;
export type PartialPicture = z.output<typeof partialPicture>;
