/** What replicas send each other about an image. */
export interface Notice {
  readonly mediaId: string;
  /** The sender, which hears its own notices too. */
  readonly instance: string;
}

/** Reads the payload of a notification; null where it has another form. */
export function readNotice(payload: string): Notice | null {
  try {
    const { mediaId, instance } = JSON.parse(payload);
    return typeof mediaId === 'string' && typeof instance === 'string' ? { mediaId, instance } : null;
  } catch {
    return null;
  }
}
