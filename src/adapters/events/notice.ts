import { IMAGE_CHANGE_KINDS, type ImageChange } from '../../core/domain/image-change.ts';

/** What replicas send each other about an image. */
export interface Notice {
  readonly mediaId: string;
  /** The sender, which hears its own notices too. */
  readonly instance: string;
}

/** A notice of the record store about a change. */
export interface ChangeNotice extends Notice {
  /** Null for a change that no caller sees; `unknown` where the sender is of an older version, which does not say. */
  readonly kind: ImageChange['kind'] | 'unknown' | null;
  /** The image's owner; null where the sender does not say. */
  readonly owner: string | null;
}

const KINDS: readonly unknown[] = [...IMAGE_CHANGE_KINDS, 'deleted', null];

/** Reads the payload of a notification; null where it has another form. */
export function readNotice(payload: string): ChangeNotice | null {
  try {
    const { mediaId, instance, kind, owner } = JSON.parse(payload);
    if (typeof mediaId !== 'string' || typeof instance !== 'string') return null;
    return {
      mediaId,
      instance,
      kind: KINDS.includes(kind) ? kind : 'unknown',
      owner: typeof owner === 'string' ? owner : null,
    };
  } catch {
    return null;
  }
}
