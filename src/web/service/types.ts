/** The shapes of the API, from its schemas. */

import type { z } from 'zod';
import type { createImage, patchImage, requestPreview } from '../../api/create-image.ts';
import type { imageRecord } from '../../api/image-record.ts';
import type { modelList } from '../../api/models.ts';
import type { presetList } from '../../api/presets.ts';
import type { ProblemCode, problem } from '../../api/problem.ts';
import type { provenanceRecord } from '../../api/provenance.ts';

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
