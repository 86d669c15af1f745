import { describeCoreRules } from '../../../contracts/record-store/core-rules.ts';
import { describeRecordStore } from '../../../contracts/record-store/describe-record-store.ts';
import type { CreateFixture } from '../../../contracts/record-store/fixture.ts';
import { createPlaces } from './fixture.ts';

const makePlace = createPlaces();

const createFixture: CreateFixture = async (derive) => {
  const place = await makePlace();
  return {
    open: async () => (await place.open({ derive })).records,
    dispose: place.dispose,
  };
};

describeRecordStore('PostgreSQL', createFixture);
// Fewer walks than with SQLite, as each read goes over a connection.
describeCoreRules('PostgreSQL', createFixture, 6);
