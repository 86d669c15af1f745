import { afterEach, beforeEach, expect } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Derive, ListQuery, RecordStore } from '../../../src/core/ports/record-store.ts';
import { trivialDerive } from './trivial-derive.ts';

interface RecordStoreFixture {
  /** Opens the same records; called again after `close`, it stands for a restart. */
  open(): Promise<RecordStore>;
  /** Takes everything away. */
  dispose(): Promise<void>;
}

/** Makes records that are empty and store what `derive` gives. */
export type CreateFixture = (derive: Derive) => Promise<RecordStoreFixture>;

/** The records of the test that runs, and what many tests do with them. */
export interface OpenedRecords {
  /** The store as it is open now: another one after `restart`. */
  records(): RecordStore;
  restart(): Promise<void>;
  /** Accepts the images, each of which has to be new. */
  store(...images: readonly Image[]): Promise<void>;
  /** Has the image succeed. */
  finish(mediaId: string): Promise<void>;
  /** The mediaIds of a list with up to 100 images. */
  listed(query: Partial<ListQuery>): Promise<readonly string[]>;
}

/** Opens empty records before each test of the suite around, and takes them away after it. */
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
