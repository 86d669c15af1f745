import { type Image, isFinished } from '../../core/domain/image.ts';
import type { ImageChange, ImageChangeKind } from '../../core/domain/image-change.ts';
import type { ChangeNotice } from './notice.ts';

/** Changes at other replicas that those who listen to all images have not heard of yet. */
export interface RemoteChanges {
  /** Notes what a notice says; returns what is to be announced without reading the image. `missed`: the image cannot be found out. */
  note(notice: ChangeNotice): ImageChange | 'missed' | null;
  /** True where the image has to be read. */
  isAwaited(mediaId: string): boolean;
  /** What is to be announced now that the image was read. */
  take(mediaId: string, image: Image | null): readonly (ImageChange | 'missed')[];
  clear(): void;
}

type AwaitedKind = ImageChangeKind | 'unknown';

export function createRemoteChanges(): RemoteChanges {
  /** By mediaId, the kinds of the changes since the image was last read. */
  const awaited = new Map<string, Set<AwaitedKind>>();

  return {
    note({ mediaId, kind, owner }) {
      if (kind === null) return null;
      if (kind === 'deleted') {
        awaited.delete(mediaId);
        return owner === null ? 'missed' : { kind, mediaId, owner, image: null };
      }
      awaited.set(mediaId, (awaited.get(mediaId) ?? new Set()).add(kind));
      return null;
    },
    isAwaited: (mediaId) => awaited.has(mediaId),
    take(mediaId, image) {
      const kinds = awaited.get(mediaId);
      awaited.delete(mediaId);
      if (kinds === undefined) return [];
      // Deleted meanwhile: the notice of that says whose image it was, unless an older version has sent it.
      if (image === null) return kinds.has('unknown') ? ['missed'] : [];
      return kindsToAnnounce(kinds, image).map((kind) => ({ kind, mediaId, owner: image.owner, image }));
    },
    clear: () => awaited.clear(),
  };
}

/** Which of the changes the image, as it was read after them, shows. An end that is still to be noted comes with its own notice. */
function kindsToAnnounce(kinds: ReadonlySet<AwaitedKind>, { status }: Image): readonly ImageChangeKind[] {
  const hasEnded = isFinished(status);
  const isNew = kinds.has('created');
  if (hasEnded && kinds.has('done')) return isNew ? ['created', 'done'] : ['done'];
  if (isNew) return ['created'];
  if (!hasEnded && (kinds.has('status') || kinds.has('done'))) return ['status'];
  return kinds.has('changed') || kinds.has('unknown') ? ['changed'] : [];
}
