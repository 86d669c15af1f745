/** The shapes of the wire contract as TypeScript sees them. They come from the schemas of `api/`; a package has them written out. */

import type { z } from 'zod';
import type { cleanupBody, cleanupReport } from '../api/cleanup.ts';
import type { createImage, patchImage, requestPreview } from '../api/create-image.ts';
import type { deliveryRecord } from '../api/deliveries.ts';
import type { partialPicture, statusReport } from '../api/events.ts';
import type { imageList } from '../api/image-list.ts';
import type { imageRecord, imageStatus } from '../api/image-record.ts';
import type { modelList } from '../api/models.ts';
import type { presetList } from '../api/presets.ts';
import type { problem } from '../api/problem.ts';
import type { usageReport } from '../api/usage.ts';

/** What a caller gives: constant lists and objects will do. */
type Given<T> = T extends object ? { readonly [Key in keyof T]: Given<T[Key]> } : T;

/** The record of a picture. */
export type ImageRecord = z.output<typeof imageRecord>;
export type ImageStatus = z.output<typeof imageStatus>;
/** A page of `GET /images`. */
export type ImagePage = z.output<typeof imageList>;
/** How far a picture is. */
export type StatusReport = z.output<typeof statusReport>;
/** A picture so far, while a model streams it. */
export type PartialPicture = z.output<typeof partialPicture>;
/** The body of `POST /images`. */
export type CreateImage = Given<z.input<typeof createImage>>;
/** The body of `PATCH /images/:mediaId`. */
export type PatchImage = Given<z.input<typeof patchImage>>;
/** What a request would do and cost. */
export type RequestPreview = z.output<typeof requestPreview>;
export type CleanupOptions = NonNullable<z.input<typeof cleanupBody>>;
export type CleanupReport = z.output<typeof cleanupReport>;
export type Model = z.output<typeof modelList>['items'][number];
export type Preset = z.output<typeof presetList>['items'][number];
export type UsageReport = z.output<typeof usageReport>;
/** The body of an answer that reports an error (RFC 9457). Without `requestId` where a picture's record says why it failed. */
export type Problem = Omit<z.output<typeof problem>, 'requestId'> & { readonly requestId?: string };
/** What a webhook is about. */
export type WebhookType = z.output<typeof deliveryRecord>['type'];
