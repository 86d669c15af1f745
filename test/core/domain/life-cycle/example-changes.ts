/** Images in every status, and arguments of transitions. */

import { masterName, originalName, renditionName, thumbnailName } from '../../../../src/core/domain/file-names.ts';
import type { RenditionSpec } from '../../../../src/core/domain/formats.ts';
import type { Attempt, Image, ImageStatus, Original } from '../../../../src/core/domain/image.ts';
import { opened, type ReceivedPicture, received } from '../../../../src/core/domain/life-cycle/attempt-transitions.ts';
import {
  type AcceptedRequest,
  accepted,
  cancelled,
  type FinishedParts,
  failed,
  finished,
  type PlannedFields,
  type rerun,
} from '../../../../src/core/domain/life-cycle/transitions.ts';
import type { Cost } from '../../../../src/core/domain/money.ts';
import { exampleFile, exampleImage } from '../../../support/app/fake-images.ts';

export const AT = '2026-11-23T16:00:10.000Z';
export const LATER = '2026-11-24T09:00:00.000Z';
export const ESTIMATE: Cost = { usd: 0.05, basis: 'estimate' };
export const SPECS: readonly RenditionSpec[] = [
  { width: 64, height: 64, format: 'webp' },
  { width: 64, height: 64, format: 'avif' },
  { width: 32, height: 32, format: 'avif' },
];
export const nameOf = (spec: RenditionSpec) => renditionName('x', spec);

export const planOf = (provider: string): PlannedFields => ({
  provider,
  model: `${provider}-model`,
  prompt: `a lighthouse, for ${provider}`,
  requestedSize: { width: 128, height: 128 },
  warnings: [{ code: 'enlarged', detail: `${provider} makes smaller pictures` }],
});

export const REQUEST: AcceptedRequest = {
  mediaId: 'x',
  owner: 'anna',
  idempotencyKey: 'key',
  traceparent: '00-trace',
  requestId: 'order-1',
  request: { ...exampleImage().request, renditions: SPECS },
  createdAt: '2026-11-23T16:00:00.000Z',
  expiresAt: null,
  planned: planOf('first'),
  estimate: ESTIMATE,
};

/** The same request, sent again at `LATER`. */
export const AGAIN: Parameters<typeof rerun>[1] = {
  planned: planOf('second'),
  estimate: { usd: 0.07, basis: 'estimate' },
  traceparent: '00-again',
  requestId: 'order-2',
  requestedAt: LATER,
  expiresAt: '2026-12-24T09:00:00.000Z',
  mayCostAgain: false,
};

export const ANNOUNCED = { url: 'https://files.example/x.png?sig=secret', revisedPrompt: 'a lighthouse at its URL' };

export const attemptOf = (id: string, run: number, change: Partial<Attempt> = {}): Attempt => ({
  id,
  run,
  provider: 'first',
  model: 'first-model',
  startedAt: '2026-11-23T16:00:01.000Z',
  durationMs: null,
  outcome: 'unknown',
  httpStatus: null,
  providerRequestId: null,
  cost: ESTIMATE,
  announced: null,
  ...change,
});

export const originalOf = (attemptId: string): Original => ({
  name: originalName('x', attemptId),
  bytes: 5,
  sha256: attemptId,
  sound: true,
});

export const pictureOf = (attemptId: string, cost: Cost = { usd: 0.041, basis: 'usage' }): ReceivedPicture => ({
  at: '2026-11-23T16:00:03.000Z',
  original: originalOf(attemptId),
  revisedPrompt: `a tall lighthouse, by ${attemptId}`,
  durationMs: 1234,
  httpStatus: 200,
  providerRequestId: `req_${attemptId}`,
  cost,
});

export const fileOf = (spec: RenditionSpec) => exampleFile(nameOf(spec), Buffer.from(nameOf(spec)), spec);

export const partsOf = (pending: readonly RenditionSpec[] = []): FinishedParts => ({
  master: exampleFile(masterName('x', 'png'), Buffer.from('master')),
  thumbnail: exampleFile(thumbnailName('x'), Buffer.from('thumbnail'), { width: 1, height: 1, format: 'webp' }),
  renditions: SPECS.filter((spec) => !pending.includes(spec)).map(fileOf),
  pending,
  thumbhash: 'hash',
  dominantColour: '#102030',
  checks: [{ name: 'entropy', value: 7, threshold: 2, verdict: 'ok' }],
  warnings: [{ code: 'resized', detail: 'a little small' }],
});

export const failureOf = (rejected: boolean) => ({
  error: { code: rejected ? 'invalid_image' : 'provider_failed', detail: 'it did not work' },
  checks: [],
  rejected,
});

/** The image after a change that must be legal. */
export function legal(image: Image | null): Image {
  if (image === null) throw new Error('the change is not legal');
  return image;
}

/** An image of each status, reached by legal changes. Attempt `a` is open, or has returned the picture. */
export function imageIn(status: ImageStatus): Image {
  const queued = accepted(REQUEST);
  const generating = () => legal(opened(queued, attemptOf('a', 1), planOf('first')));
  const processing = () => legal(received(generating(), 'a', pictureOf('a')));
  switch (status) {
    case 'queued':
      return queued;
    case 'generating':
      return generating();
    case 'processing':
      return processing();
    case 'succeeded':
      return legal(finished(processing(), partsOf(SPECS.slice(1)), AT));
    case 'failed':
      return legal(failed(processing(), failureOf(false), AT));
    case 'cancelled':
      return legal(cancelled(generating(), AT));
  }
}
