/** The shapes of the API: those that every client knows, and those that this page alone asks for, from its schemas. */

import type { z } from 'zod';
import type { lastCleanup } from '../../api/cleanup.ts';
import type { deliveryPage } from '../../api/deliveries.ts';
import type { labelList } from '../../api/image-list.ts';
import type { operationsReport } from '../../api/operations.ts';
import type { ProblemCode } from '../../api/problem-kinds.ts';
import type { provenanceRecord } from '../../api/provenance.ts';
import type { retryCost } from '../../api/retry-cost.ts';
import type { whoami } from '../../api/whoami.ts';
import type { ImageRecord } from '../../client/shapes.ts';

export type {
  CleanupReport,
  CreateImage,
  ImagePage,
  ImageRecord,
  ImageStatus,
  Model,
  PartialPicture,
  PatchImage,
  Preset,
  Problem,
  RequestPreview,
  StatusReport,
  UsageReport,
} from '../../client/shapes.ts';
export type { ProblemCode };

export type Rendition = ImageRecord['renditions'][number];
export type Attempt = ImageRecord['attempts'][number];
export type Provenance = z.output<typeof provenanceRecord>;
export type Identity = z.output<typeof whoami>;
export type RetryCost = z.output<typeof retryCost>;
export type LabelCount = z.output<typeof labelList>['items'][number];
export type OperationsReport = z.output<typeof operationsReport>;
export type ProviderReport = OperationsReport['providers'][number];
export type FailingDelivery = z.output<typeof deliveryPage>['items'][number];
export type LastCleanup = z.output<typeof lastCleanup>;
