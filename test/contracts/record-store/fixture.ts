import { afterEach, beforeEach, expect } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Derive, ListQuery, RecordStore } from '../../../src/core/ports/record-store.ts';
import { trivialDerive } from './trivial-derive.ts';

interface RecordStoreFixture {
  /** Opens the same records; a second call, after `close`, simulates a restart. */
  open(): Promise<RecordStore>;
  /** Deletes everything that the fixture created. */
  dispose(): Promise<void>;
}

/** Makes empty records that store what `derive` returns. */
export type CreateFixture = (derive: Derive) => Promise<RecordStoreFixture>;

/** The records of the current test, and what many tests do with them. */
export interface OpenedRecords {
  /** The open store: another one after `restart`. */
  records(): RecordStore;
  restart(): Promise<void>;
  /** Accepts the images, each of which must be new. */
  store(...images: readonly Image[]): Promise<void>;
  /** Sets the status of the image to `succeeded`. */
  finish(mediaId: string): Promise<void>;
  /** The mediaIds that `list` returns for the query, up to 100 of all owners by default. */
  listed(query: Partial<ListQuery>): Promise<readonly string[]>;
}

/** Opens empty records before each test of the surrounding suite, and disposes of them after it. */
export function openRecordsForEach(createFixture: CreateFixture): OpenedRecords {
  let fixture: RecordStoreFixture;
  let records: RecordStore;

  beforeEach(async () => {
    fixture = await createFixture(trivialDerive);
    records = await fixture.open();
  });

  afterEach(async () => {
    await records.close();
    await fixture.dispose();
  });

  return {
    records: () => records,

    async restart() {
      await records.close();
      records = await fixture.open();
    },

    async store(...images) {
      for (const image of images) expect(await records.accept(image, Infinity)).toEqual({ outcome: 'accepted' });
    },

    async finish(mediaId) {
      await records.update(mediaId, (image) => ({ ...image, status: 'succeeded' }));
    },

    async listed(query) {
      const page = await records.list({ limit: 100, owner: null, ...query });
      return page.items.map(({ mediaId }) => mediaId);
    },
  };
}
