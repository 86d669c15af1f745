import { describeRecordStore } from '../../../contracts/record-store/describe-record-store.ts';
import { createPlaces } from './fixture.ts';

const makePlace = createPlaces();

describeRecordStore('PostgreSQL', async (derive) => {
  const place = await makePlace();
  return {
    open: async () => (await place.open({ derive })).records,
    dispose: place.dispose,
  };
});
