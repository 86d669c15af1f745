import type { ImageRecord } from '../../client/shapes.ts';
import type { Cost } from '../../core/domain/money.ts';
import { type Terms, visible } from './text.ts';

/** Where a picture is, for people: a file, or an address. */
export interface Place {
  readonly name: 'path' | 'url';
  readonly value: string | null;
}

/** Where the master is: in a file of this machine where the service is in this process (`url` null), else at its address. */
export function placeOf({ path, url: link }: Pick<ImageRecord, 'path' | 'url'>, url: string | null): Place {
  if (url === null) return { name: 'path', value: path };
  return { name: 'url', value: link && (URL.canParse(link) ? link : `${url}${link}`) };
}

/** A picture that has been made, in a few lines. */
export function describeMade(record: ImageRecord, { name, value }: Place): string {
  return lines([
    [name, value ?? 'none'],
    ['size', describeSize(record)],
    ['cost', describeCost(record.cost)],
    ['mediaId', record.mediaId],
  ]);
}

/** All that people look for in a record, in whatever status. */
export function describeRecord(record: ImageRecord, { name, value }: Place): string {
  const { status, error, queuePosition, labels, renditions, provider, model, createdAt, expiresAt, request } = record;
  const files = renditions.map((file) =>
    file.status === 'ready' ? describeFile(file) : `${nameOf(file.url)}, pending`,
  );
  return lines([
    ['mediaId', record.mediaId],
    ['status', queuePosition === null ? status : `${status}, number ${queuePosition} in the queue`],
    ...(error === null ? [] : [['error', `${error.detail} (${error.code})`] as const]),
    ...(value === null ? [] : [[name, value] as const]),
    ...(record.bytes === null ? [] : [['size', describeSize(record)] as const]),
    ...files.map((file) => ['file', file] as const),
    ['prompt', request.prompt ?? request.brief?.subject ?? record.prompt],
    ['model', `${model} of ${provider}`],
    ['cost', describeCost(record.cost)],
    ...(labels.length === 0 ? [] : [['labels', labels.join(', ')] as const]),
    ['created', createdAt],
    ...(expiresAt === null ? [] : [['expires', expiresAt] as const]),
  ]);
}

function lines(terms: Terms): string {
  const width = Math.max(...terms.map(([name]) => name.length));
  return terms.map(([name, value]) => `${name.padEnd(width)}  ${visible(value)}`).join('\n');
}

function describeSize({
  width,
  height,
  format,
  bytes,
}: Pick<ImageRecord, 'width' | 'height' | 'format' | 'bytes'>): string {
  return `${width}x${height} ${format}, ${describeBytes(bytes ?? 0)}`;
}

function describeFile(file: Extract<ImageRecord['renditions'][number], { status: 'ready' }>): string {
  return `${nameOf(file.url)}, ${describeBytes(file.bytes)}`;
}

/** `1200x675.webp` of `/media/ID@1200x675.webp?v=…`. */
function nameOf(url: string): string {
  return (url.split('?')[0] ?? '').replace(/^.*@/, '');
}

function describeBytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A cost in a few words. */
export function describeCost({ usd, basis }: Cost): string {
  if (usd === null) return 'unknown: the catalog has no price for the model';
  if (usd === 0) return 'nothing';
  return basis === 'usage' ? `$${usd}` : `at most $${usd} (estimated)`;
}
