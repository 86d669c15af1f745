import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/domain/image.ts';
import { changeOf, type ImageChange } from '../../src/core/domain/image-change.ts';
import type { ImageEvents, ImageListener, PartialPicture } from '../../src/core/ports/image-events.ts';
import { exampleImage } from '../support/app/fake-images.ts';
import { until } from '../support/until.ts';

interface ImageEventsFixture {
  open(): Promise<ImageEvents>;
  /** Deletes everything that the fixture created. */
  dispose(): Promise<void>;
}

/** What every pub/sub of image changes promises; each adapter runs it with a fixture of its own. */
export function describeImageEvents(name: string, createFixture: () => Promise<ImageEventsFixture>): void {
  describe(`${name} keeps the contract of image events`, () => {
    let fixture: ImageEventsFixture;
    let events: ImageEvents;

    beforeEach(async () => {
      fixture = await createFixture();
      events = await fixture.open();
    });

    afterEach(() => fixture.dispose());

    /** Resolves when everything published so far has been delivered, since events are delivered in order. */
    const delivered = async () => {
      let here = false;
      const unsubscribe = events.subscribe('marker', {
        changed() {
          here = true;
        },
      });
      events.publish('marker', null);
      await until(() => here);
      unsubscribe();
    };

    it('delivers the changes of an image to each of its listeners in order, and null when the image is removed', async () => {
      const [one, other, apart] = [recorder(), recorder(), recorder()];
      events.subscribe('a', one.listener);
      events.subscribe('a', other.listener);
      events.subscribe('b', apart.listener);
      const images = (['queued', 'generating', 'succeeded'] as const).map((status) =>
        exampleImage({ mediaId: 'a', status }),
      );
      for (const image of images) events.publish('a', image);
      events.publish('a', null);
      await delivered();
      expect(one.changes).toEqual([...images, null]);
      expect(other.changes).toEqual([...images, null]);
      expect(apart.changes).toEqual([]);
    });

    it('keeps no events for later listeners, and allows publishing without a listener', async () => {
      events.publish('a', exampleImage({ mediaId: 'a' }));
      await delivered();
      const late = recorder();
      events.subscribe('a', late.listener);
      await delivered();
      expect(late.changes).toEqual([]);
    });

    it('stops calling a listener once its subscription has ended, and continues with the others', async () => {
      const [leaving, staying] = [recorder(), recorder()];
      const unsubscribe = events.subscribe('a', leaving.listener);
      events.subscribe('a', staying.listener);
      events.publish('a', null);
      await delivered();
      unsubscribe();
      unsubscribe();
      events.publish('a', null);
      await delivered();
      expect([leaving.changes.length, staying.changes.length]).toEqual([1, 2]);
    });

    it('lets a listener end its subscription while it is called, and a new one subscribe after it', async () => {
      const [first, second] = [recorder(), recorder()];
      const unsubscribe = events.subscribe('a', {
        changed(image) {
          first.listener.changed(image);
          unsubscribe();
        },
      });
      events.publish('a', null);
      events.publish('a', null);
      await delivered();
      events.subscribe('a', second.listener);
      // Ending a subscription a second time does not affect the new one.
      unsubscribe();
      events.publish('a', null);
      await delivered();
      expect([first.changes.length, second.changes.length]).toEqual([1, 1]);
    });

    it('says whether a listener wants the partial pictures of an image', async () => {
      expect(await events.wantsPartials('a')).toBe(false);
      events.subscribe('a', recorder().listener);
      const unsubscribe = events.subscribe('b', recorder({ partials: true }).listener);
      await delivered();
      expect(await events.wantsPartials('a')).toBe(false);
      expect(await events.wantsPartials('b')).toBe(true);
      unsubscribe();
      await delivered();
      expect(await events.wantsPartials('b')).toBe(false);
    });

    it('passes partial pictures to the current listeners that want them, and the newest to each that comes later', async () => {
      const [early, late, apart] = [1, 2, 3].map(() => recorder({ partials: true })) as [Recorder, Recorder, Recorder];
      const unsubscribe = events.subscribe('a', early.listener);
      events.subscribe('a', recorder().listener);
      events.subscribe('b', apart.listener);
      await delivered();
      using call = events.openPartials({ mediaId: 'a', owner: 'blog' });
      call.sink(Buffer.from('blurred'), 0);
      call.sink(Buffer.from('finer'), 1);
      await delivered();
      events.subscribe('a', late.listener);
      unsubscribe();
      await delivered();
      call.sink(Buffer.from('finest'), 2);
      await delivered();
      const [blurred, finer, finest] = ['Ymx1cnJlZA==', 'ZmluZXI=', 'ZmluZXN0'].map((base64, index) => ({
        mediaId: 'a',
        index,
        base64,
      }));
      expect(early.partials).toEqual([blurred, finer]);
      expect(late.partials).toEqual([finer, finest]);
      expect(apart.partials).toEqual([]);
    });

    it('drops the partial pictures of a call that has ended, and keeps those of a later one', async () => {
      const [first, second] = [
        events.openPartials({ mediaId: 'a', owner: 'blog' }),
        events.openPartials({ mediaId: 'a', owner: 'blog' }),
      ];
      first.sink(Buffer.from('of the first'), 0);
      second.sink(Buffer.from('of the second'), 1);
      first[Symbol.dispose]();
      await delivered();
      const [during, after] = [recorder({ partials: true }), recorder({ partials: true })];
      events.subscribe('a', during.listener);
      await delivered();
      second[Symbol.dispose]();
      events.subscribe('a', after.listener);
      await delivered();
      expect(during.partials.map(({ index }) => index)).toEqual([1]);
      expect(after.partials).toEqual([]);
    });

    it('hands every announced change to those who listen to all images, in order, and that some may have been missed', async () => {
      const [one, other] = [recorderOfAll(), recorderOfAll()];
      const unsubscribe = events.subscribeToAll(one.listener);
      events.subscribeToAll(other.listener);
      const image = exampleImage({ mediaId: 'a' });
      const changes = [changeOf(null, image), changeOf(null, { ...image, mediaId: 'b' }), changeOf(image, null)];
      for (const change of changes) events.announce(change as ImageChange);
      events.missed();
      await delivered();
      unsubscribe();
      unsubscribe();
      events.announce(changes[0] as ImageChange);
      events.publish('a', image);
      await delivered();
      expect(one.heard).toEqual([...changes, 'missed']);
      expect(other.heard).toEqual([...changes, 'missed', changes[0]]);
    });

    it('announces nothing to the listeners of one image, and keeps nothing for later ones', async () => {
      const one = recorder();
      events.subscribe('a', one.listener);
      events.announce(changeOf(null, exampleImage({ mediaId: 'a' })) as ImageChange);
      events.missed();
      const late = recorderOfAll();
      events.subscribeToAll(late.listener);
      await delivered();
      expect([one.changes, late.heard]).toEqual([[], []]);
    });

    it('passes partial pictures of all images to those who listen to all, with their owners, and says when a call has ended', async () => {
      const early = recorderOfAll();
      const unsubscribe = events.subscribeToAll(early.listener);
      const call = events.openPartials({ mediaId: 'a', owner: 'blog' });
      const other = events.openPartials({ mediaId: 'b', owner: 'shop' });
      call.sink(Buffer.from('blurred'), 0);
      other.sink(Buffer.from('other'), 0);
      call.sink(Buffer.from('finer'), 1);
      const late = recorderOfAll();
      events.subscribeToAll(late.listener);
      call[Symbol.dispose]();
      unsubscribe();
      other[Symbol.dispose]();
      await delivered();
      expect(early.heard).toEqual(['blog a 0', 'shop b 0', 'blog a 1', 'a ended']);
      expect(late.heard.toSorted()).toEqual(['a ended', 'b ended', 'blog a 1', 'shop b 0']);
    });

    it('makes no model stream for those who listen to all images', async () => {
      events.subscribeToAll(recorderOfAll().listener);
      await delivered();
      expect(await events.wantsPartials('a')).toBe(false);
    });

    it('passes no partial pictures to a listener that has unsubscribed', async () => {
      const leaving = recorder({ partials: true });
      const unsubscribe = events.subscribe('a', leaving.listener);
      await delivered();
      using call = events.openPartials({ mediaId: 'a', owner: 'blog' });
      unsubscribe();
      call.sink(Buffer.from('blurred'), 0);
      await delivered();
      expect(leaving.partials).toEqual([]);
    });
  });
}

interface Recorder {
  readonly listener: ImageListener;
  readonly changes: (Image | null)[];
  readonly partials: PartialPicture[];
}

/** A listener that records what it receives. */
function recorder({ partials: wanted = false } = {}): Recorder {
  const changes: (Image | null)[] = [];
  const partials: PartialPicture[] = [];
  const changed = (image: Image | null) => void changes.push(image);
  const partial = (picture: PartialPicture) => void partials.push(picture);
  return { listener: wanted ? { changed, partial } : { changed }, changes, partials };
}

/** A listener to all images that records what it receives. */
export function recorderOfAll() {
  const heard: unknown[] = [];
  return {
    heard,
    listener: {
      changed: (change: ImageChange) => void heard.push(change),
      partial: ({ mediaId, index }: PartialPicture, owner: string) => void heard.push(`${owner} ${mediaId} ${index}`),
      partialsEnded: (mediaId: string) => void heard.push(`${mediaId} ended`),
      missed: () => void heard.push('missed'),
    },
  };
}
