import type { ImageRecord } from '../../../src/web/service/types.ts';

/** A record of a picture that is done, for functions that need no service; `changes` are laid over it. */
export function doneRecord(changes: Partial<ImageRecord> = {}): ImageRecord {
  return {
    mediaId: 'lighthouse',
    status: 'succeeded',
    request: {
      prompt: 'a lighthouse at dusk',
      brief: null,
      preset: null,
      model: 'gpt-image-2',
      provider: null,
      size: '1792x1024',
      quality: 'auto',
      style: null,
      background: 'auto',
      format: 'png',
      renditions: [],
      partials: 0,
      metadata: {},
      labels: [],
      ttlSeconds: null,
      webhookUrl: null,
    },
    queuePosition: null,
    url: 'https://pictures.example/media/lighthouse.png',
    versionedUrl: 'https://pictures.example/media/lighthouse.png?v=3f1c9a0b77de',
    path: 'media/lighthouse.png',
    width: 1792,
    height: 1024,
    format: 'png',
    bytes: 2_142_898,
    sha256: '3f1c9a0b77de',
    thumbhash: null,
    thumbnail: null,
    renditions: [],
    prompt: 'a lighthouse at dusk, as it is sent',
    revisedPrompt: null,
    preset: null,
    provider: 'openai',
    model: 'gpt-image-2',
    requestedSize: '1792x1024',
    checks: [],
    attempts: [],
    attemptsOmitted: { count: 0, usd: 0 },
    cost: { usd: 0.152, basis: 'usage' },
    warnings: [],
    metadata: {},
    labels: [],
    pinned: false,
    createdAt: '2026-11-27T12:00:00.000Z',
    startedAt: '2026-11-27T12:00:01.000Z',
    statusSince: '2026-11-27T12:00:20.000Z',
    completedAt: '2026-11-27T12:00:20.000Z',
    expiresAt: null,
    error: null,
    ...changes,
  };
}

/** A rendition that is there, of this size and format. */
export function readyRendition(width: number, height: number, format: 'png' | 'jpeg' | 'webp' | 'avif') {
  const url = `https://pictures.example/media/lighthouse@${width}x${height}.${format}`;
  return {
    url,
    versionedUrl: `${url}?v=0123456789ab`,
    path: 'media/it',
    width,
    height,
    format,
    bytes: 1,
    sha256: '0123456789ab',
    status: 'ready',
  } as const;
}
