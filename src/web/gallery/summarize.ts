import type { ImageRecord, StatusReport } from '../service/types.ts';
import type { Filters } from '../state/places.ts';
import { isRunning, type Summary, type Thumbnail } from './summary.ts';

const LONGEST_TITLE = 240;

/** What a card shows of this record. */
export function summarize(record: ImageRecord): Summary {
  const { mediaId, createdAt, completedAt, status, width, height, thumbhash, labels, provider, queuePosition } = record;
  return {
    mediaId,
    createdAt,
    completedAt,
    status,
    statusSince: record.statusSince,
    startedAt: record.startedAt,
    title: titleOf(record),
    width,
    height,
    thumbhash,
    thumbnail: status === 'succeeded' ? thumbnailOf(record) : null,
    usd: record.cost.usd,
    labels,
    isPinned: record.pinned,
    provider,
    calls: record.attempts.length + record.attemptsOmitted.count,
    queuePosition,
    failure: record.error?.code ?? null,
    partial: null,
  };
}

function titleOf({ request, prompt }: ImageRecord): string {
  const title = (request.prompt ?? request.brief?.subject ?? prompt).replace(/\s+/g, ' ').trim();
  return title.length <= LONGEST_TITLE ? title : `${title.slice(0, LONGEST_TITLE).toWellFormed()}…`;
}

/** The picture for the card; of a record without a thumbnail, the smallest file that there is. */
function thumbnailOf({ thumbnail, renditions, versionedUrl, width, height }: ImageRecord): Thumbnail | null {
  if (thumbnail) return { url: thumbnail.versionedUrl, width: thumbnail.width, height: thumbnail.height };
  if (versionedUrl === null) return null;
  const ready = renditions.flatMap((one) => (one.status === 'ready' ? [one] : []));
  const smallest = ready.sort((one, other) => one.width - other.width)[0];
  return smallest === undefined
    ? { url: versionedUrl, width, height }
    : { url: smallest.versionedUrl, width: smallest.width, height: smallest.height };
}

/** The summary after a change of status. */
export function withStatus(
  summary: Summary,
  { status, since, provider, attempts, completedAt }: StatusReport,
): Summary {
  const hasBegun = status === 'generating' || status === 'processing';
  return {
    ...summary,
    status,
    statusSince: since ?? summary.statusSince,
    completedAt,
    startedAt: hasBegun ? (summary.startedAt ?? since) : summary.startedAt,
    provider,
    calls: Math.max(summary.calls, attempts.length),
    queuePosition: status === 'queued' ? summary.queuePosition : null,
    failure: isRunning(status) ? null : summary.failure,
    partial: status === 'generating' ? summary.partial : null,
  };
}

/** Whether the filters let a record through, as `GET /images` would. */
export function fits(record: ImageRecord, filters: Filters): boolean {
  const { status, label, preset, q } = filters;
  return (
    (status.length === 0 || status.includes(record.status)) &&
    (label.length === 0 || label.some((one) => record.labels.includes(one))) &&
    (preset === '' || `${record.preset ?? ''}@`.startsWith(`${preset}@`)) &&
    hasWords(record, q)
  );
}

/** Whether every word of `q` stands in the prompt that was asked or sent, or in the brief, whatever its case. */
function hasWords({ prompt, request }: ImageRecord, q: string): boolean {
  const texts = [prompt, request.prompt ?? '', ...Object.values(request.brief ?? {}).flat()];
  const folded = texts.map(fold);
  return fold(q)
    .split(/\s+/u)
    .every((word) => folded.some((text) => text.includes(word)));
}

function fold(text: string): string {
  return text.normalize('NFD').toUpperCase().toLowerCase().normalize('NFC');
}
