import { describe, expect, it } from 'vitest';
import { countOtherShapes, linksExpireAt, pictureText as textOf } from '../../../src/web/picture/picture-text.ts';
import type { ImageRecord } from '../../../src/web/service/types.ts';
import { doneRecord, readyRendition } from './records.ts';

const pictureText = (record: ImageRecord) => textOf(record, (url) => url);

describe('pictureText', () => {
  it('has a source for each format, the smallest files first, with every size of it, and the master as its image', () => {
    const renditions = [
      readyRendition(1200, 686, 'png'),
      readyRendition(600, 343, 'webp'),
      readyRendition(1200, 686, 'webp'),
      readyRendition(1200, 686, 'avif'),
    ];
    expect(pictureText(doneRecord({ renditions }))).toBe(
      `<picture>
  <source type="image/avif" srcset="https://pictures.example/media/lighthouse@1200x686.avif?v=0123456789ab 1200w" sizes="(max-width: 1792px) 100vw, 1792px">
  <source type="image/webp" srcset="https://pictures.example/media/lighthouse@600x343.webp?v=0123456789ab 600w, https://pictures.example/media/lighthouse@1200x686.webp?v=0123456789ab 1200w" sizes="(max-width: 1792px) 100vw, 1792px">
  <source type="image/png" srcset="https://pictures.example/media/lighthouse@1200x686.png?v=0123456789ab 1200w, https://pictures.example/media/lighthouse.png?v=3f1c9a0b77de 1792w" sizes="(max-width: 1792px) 100vw, 1792px">
  <img src="https://pictures.example/media/lighthouse.png?v=3f1c9a0b77de" width="1792" height="1024" alt="a lighthouse at dusk" loading="lazy">
</picture>`,
    );
  });

  it('leaves out renditions of another shape, as browsers choose by width alone, and those that are not there yet', () => {
    const pending = { url: 'https://pictures.example/media/lighthouse@900x514.avif', status: 'pending' } as const;
    const record = doneRecord({ renditions: [readyRendition(512, 512, 'webp'), pending] });
    expect(pictureText(record)).not.toContain('512');
    expect(pictureText(record)).not.toContain('900');
    expect(countOtherShapes(record)).toBe(1);
  });

  it('escapes what would end an attribute, a tag or a candidate of the srcset', () => {
    const { request } = doneRecord();
    const text = pictureText(
      doneRecord({
        request: { ...request, prompt: `"><script>alert(1)</script> & 'x'` },
        versionedUrl: 'https://pictures.example/a, b/media/x.png?v=1&expires=2',
      }),
    );
    expect(text).toContain('alt="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;x&#39;"');
    expect(text).toContain('srcset="https://pictures.example/a%2C%20b/media/x.png?v=1&amp;expires=2 1792w"');
  });

  it('is null where there is no master', () => {
    expect(pictureText(doneRecord({ versionedUrl: null, url: null }))).toBeNull();
  });
});

describe('linksExpireAt', () => {
  it('reads the second at which a signed link ends, of a path too, and nothing of others', () => {
    expect(linksExpireAt({ url: '/media/x.png?expires=1795780800&signature=a' })).toBe('2026-11-27T12:00:00.000Z');
    expect(linksExpireAt({ url: '/media/x.png?v=1' })).toBeNull();
    expect(linksExpireAt({ url: '/media/x.png?expires=soon' })).toBeNull();
    expect(linksExpireAt({ url: null })).toBeNull();
  });
});
