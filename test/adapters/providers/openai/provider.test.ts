import type { Model } from '../../../../src/core/domain/model.ts';
import { CATALOG, unlistedModel } from '../../../../src/core/models/catalog.ts';
import { describeProvider } from '../../../contracts/provider.ts';
import { makeCallsHere, openAiFixture, TRAITS } from '../../../support/openai/provider-fixture.ts';

const LISTED = CATALOG.get('gpt-image-2') ?? unlistedModel('gpt-image-2');

describeProvider('openai', () => openAiFixture(LISTED, { strict: true, omit: [], makeCalls: makeCallsHere }), TRAITS);

/** A model of a compatible server: it has styles, and the server does not accept a size. */
const COMPATIBLE: Model = {
  ...unlistedModel('local-diffusion'),
  qualities: ['standard', 'hd'],
  styles: ['vivid', 'natural'],
  edits: { images: 4, imageBytes: 1_000_000, maskBytes: 1_000_000 },
};

describeProvider(
  'a compatible server',
  () => openAiFixture(COMPATIBLE, { strict: false, omit: ['size'], makeCalls: makeCallsHere }),
  TRAITS,
);
