import type { ImageRecord } from '../service/types.ts';
import { altOf } from '../ui/picture-name.ts';

interface PublishedFile {
  readonly versionedUrl: string;
  readonly width: number;
  readonly height: number;
  readonly format: string;
}

/** Formats in the order in which a browser should prefer them: the smallest files first. */
const PREFERRED = ['avif', 'webp', 'jpeg', 'png'];

/** How far two shapes may differ, so that one picture can stand for the other: as the service sees it. */
const SHAPE_TOLERANCE = 1.05;

/**
 * The picture as the text of a `<picture>` element: a `<source>` for each format, with every size of it, and the master as its `<img>`.
 * Browsers choose by width alone, so renditions of another shape than the master's are left out. `linkOf` makes a link of a record's URL.
 * Null until there is a master.
 */
export function pictureText(record: ImageRecord, linkOf: (url: string) => string): string | null {
  const { versionedUrl, width, height } = record;
  if (versionedUrl === null) return null;
  const files: readonly PublishedFile[] = [{ ...record, versionedUrl }, ...readyRenditions(record)].filter((file) =>
    hasShapeOf(file, record),
  );
  const formats = PREFERRED.filter((format) => files.some((file) => file.format === format));
  const sizes = `(max-width: ${width}px) 100vw, ${width}px`;
  const sources = formats.map((format) => {
    const srcset = files
      .filter((file) => file.format === format)
      .sort((a, b) => a.width - b.width)
      .map((file) => `${srcsetUrl(linkOf(file.versionedUrl))} ${file.width}w`);
    return `  <source${attributes({ type: `image/${format}`, srcset: srcset.join(', '), sizes })}>`;
  });
  const image = { src: linkOf(versionedUrl), width, height, alt: altOf(record), loading: 'lazy' };
  return ['<picture>', ...sources, `  <img${attributes(image)}>`, '</picture>'].join('\n');
}

/** How many renditions `pictureText` leaves out, since they have another shape. */
export function countOtherShapes(record: ImageRecord): number {
  return readyRenditions(record).filter((file) => !hasShapeOf(file, record)).length;
}

/** When the links of the record stop working; null where they do not. Signed links bear the second in their query. */
export function linksExpireAt({ url }: Pick<ImageRecord, 'url'>): string | null {
  if (url === null) return null;
  const seconds = Number(new URL(url, 'http://easel.invalid').searchParams.get('expires'));
  const time = new Date(seconds * 1000);
  return seconds > 0 && !Number.isNaN(time.getTime()) ? time.toISOString() : null;
}

function readyRenditions({ renditions }: ImageRecord) {
  return renditions.filter((rendition) => rendition.status === 'ready');
}

function hasShapeOf(file: PublishedFile, { width, height }: ImageRecord): boolean {
  const [left, right] = [file.width * height, width * file.height];
  return Math.max(left, right) <= Math.min(left, right) * SHAPE_TOLERANCE;
}

/** A comma, which separates the candidates of a srcset, and a space end its URL. */
function srcsetUrl(url: string): string {
  return url.replaceAll(',', '%2C').replaceAll(' ', '%20');
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeHtml(String(value))}"`)
    .join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
