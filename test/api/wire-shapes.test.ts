import { describe, expect, test } from 'vitest';
import { cleanupReport, lastCleanup, toCleanupReport, toLastCleanup } from '../../src/api/cleanup.ts';
import { requestPreview, toRequestPreview } from '../../src/api/create-image.ts';
import { deliveryList, toDeliveryList } from '../../src/api/deliveries.ts';
import { forEachHealthCheck, healthReport, toHealthReport } from '../../src/api/health.ts';
import { imageList, toImageList } from '../../src/api/image-list.ts';
import { imagePreview, toImagePreview } from '../../src/api/image-record.ts';
import { modelList, toModelList } from '../../src/api/models.ts';
import { presetList, toPresetList } from '../../src/api/presets.ts';
import { provenanceRecord, toProvenanceRecord } from '../../src/api/provenance.ts';
import { retryCost, toRetryCost } from '../../src/api/retry-cost.ts';
import { toUsageReport, usageReport } from '../../src/api/usage.ts';
import { toWhoami, whoami } from '../../src/api/whoami.ts';
import type { Delivery } from '../../src/core/domain/delivery.ts';
import type { Preview } from '../../src/core/images/preview.ts';
import type { FileProvenance, Provenance } from '../../src/core/images/provenance.ts';
import { CATALOG } from '../../src/core/models/catalog.ts';
import type { UsageReport } from '../../src/core/money/usage.ts';
import type { Preset } from '../../src/core/planning/presets.ts';
import type { LastCleanup } from '../../src/core/ports/record-store.ts';
import { exampleImage, exampleRecord } from '../support/app/fake-images.ts';
import { anInput } from '../support/edit-inputs.ts';
import { aReference } from '../support/inputs.ts';

/** A field that the core could add, and that must not reach callers. */
const secret = { secret: 'internal' };

const cleanup: LastCleanup = {
  deleted: 1,
  freedBytes: 2,
  kept: 3,
  orphansRemoved: 4,
  foreignFiles: 2,
  missingFiles: 1,
  missingFilesOf: ['lost'],
  failures: 1,
  failuresOf: ['odd.png'],
  dryRun: false,
  durationMs: 5.5,
  time: '2026-11-23T16:00:00.000Z',
};
const usage: UsageReport = {
  days: [{ day: '2026-11-23', model: 'gpt-image-2', key: 'blog', images: 1, usd: null, ...secret }],
  budget: { usdPerDay: 50, spent: 1.5, reserved: 0.25, resetsAt: '2026-11-24T00:00:00.000Z', ...secret },
};
const preview: Preview = {
  prompt: 'a lighthouse',
  requestedSize: '1216x688',
  crop: { left: 0, top: 2, width: 1216, height: 684, ...secret },
  parametersDropped: ['style'],
  cost: { usd: 0.02, basis: 'estimate', ...secret },
  providers: ['openai'],
};
const delivery: Delivery = {
  id: 'msg_1',
  mediaId: 'a',
  type: 'image.succeeded',
  url: 'https://example.com/hook',
  status: 'pending',
  attempts: [{ at: '2026-11-23T16:00:00.000Z', durationMs: 1, httpStatus: 500, error: 'no', ...secret }],
  nextAttemptAt: '2026-11-23T16:00:05.000Z',
  series: { number: 1, tries: 1, firstAt: null },
};
const file: FileProvenance = {
  url: '/media/a.png',
  width: 16,
  height: 16,
  format: 'png',
  isOriginal: true,
  digitalSourceType: null,
  bytes: 6,
  sha256: '00',
  integrity: 'intact',
  xmp: {
    digitalSourceType: null,
    model: 'gpt-image-2',
    provider: 'openai',
    createdAt: null,
    mediaId: 'a',
    originalSha256: null,
    prompt: null,
    ...secret,
  },
  c2pa: {
    verdict: 'valid',
    detail: 'all of it verified',
    failures: [],
    signer: null,
    signedAt: null,
    generator: 'Easel',
    digitalSourceType: null,
    ingredients: [{ title: null, hasManifest: false }],
    ...secret,
  },
};
const provenance: Provenance = {
  mediaId: 'a',
  digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia',
  provider: 'openai',
  model: 'gpt-image-2',
  createdAt: '2026-11-23T16:00:00.000Z',
  originalSha256: '00',
  inputs: [
    { ...anInput({ width: 64, height: 48 }), role: 'input', source: { mediaId: 'b' }, ...secret },
    { ...anInput({ width: 64, height: 48 }), role: 'mask', source: { url: 'https://example.com/1.png' }, ...secret },
  ],
  original: file,
  master: file,
  renditions: [file],
};
const preset: Preset = {
  name: 'stamp',
  version: 1,
  description: 'A stamp.',
  size: { width: 1024, height: 1024, ...secret },
  renditions: [{ width: 64, height: 64, format: 'webp', ...secret }],
  crop: 'centre',
  checks: { entropy: 'off' },
  quality: 'auto',
  background: 'auto',
  format: 'png',
  brief: { style: 'engraving' },
  references: [{ ...aReference('logo'), file: 'logo.png', ...secret }],
  require: ['the logo'],
  forbid: ['people'],
  example: 'a lighthouse',
};
const models = [...CATALOG.values()].map((row) => ({
  model: { ...row, ...secret },
  provider: 'openai',
  usable: true,
  ...secret,
}));
const health = {
  status: 'degraded' as const,
  detail: 'the service is stopping',
  checks: forEachHealthCheck(() => ({ status: 'ok' as const, since: 0, ...secret })),
  uptimeMs: 5_999,
};
const page = { items: [exampleImage()], nextCursor: 'abc' };

const dataUrl = (thumbhash: string) => `data:${thumbhash}`;

const shapes = [
  { name: 'toCleanupReport', made: toCleanupReport({ ...cleanup, ...secret }), schema: cleanupReport },
  { name: 'toLastCleanup', made: toLastCleanup({ ...cleanup, ...secret }), schema: lastCleanup },
  { name: 'toUsageReport', made: toUsageReport({ ...usage, ...secret }), schema: usageReport },
  { name: 'toRequestPreview', made: toRequestPreview({ ...preview, ...secret }), schema: requestPreview },
  {
    name: 'toRetryCost',
    made: toRetryCost({ cost: preview.cost, call: true, mayBePaidAlready: false, ...secret }),
    schema: retryCost,
  },
  {
    name: 'toWhoami',
    made: toWhoami({ name: 'blog', scopes: ['read'], keysInUse: true, ...secret }),
    schema: whoami,
  },
  { name: 'toDeliveryList', made: toDeliveryList([{ ...delivery, ...secret }]), schema: deliveryList },
  { name: 'toProvenanceRecord', made: toProvenanceRecord({ ...provenance, ...secret }), schema: provenanceRecord },
  { name: 'toModelList', made: toModelList(models), schema: modelList },
  { name: 'toPresetList', made: toPresetList([{ ...preset, ...secret }]), schema: presetList },
  { name: 'toHealthReport', made: toHealthReport({ ...health, ...secret }, '1.2.3'), schema: healthReport },
  { name: 'toImageList', made: await toImageList({ ...page, ...secret }, exampleRecord), schema: imageList },
  { name: 'toImagePreview', made: toImagePreview({ ...exampleImage(), ...secret }, dataUrl), schema: imagePreview },
];

describe('the shape of an answer', () => {
  test.each(shapes)('$name matches its strict schema, without other fields of the core', ({ made, schema }) => {
    expect(schema.safeParse(made).error).toBeUndefined();
    expect(JSON.stringify(made)).not.toContain('internal');
  });

  test('toImagePreview is null without a decoded picture', () => {
    expect(toImagePreview(exampleImage({ thumbhash: null }), dataUrl)).toBeNull();
    expect(toImagePreview(exampleImage({ dominantColour: null }), dataUrl)).toBeNull();
  });
});
