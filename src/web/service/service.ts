import { type RequestOptions, readJson, type Send } from './request.ts';
import type {
  CreateImage,
  Identity,
  ImagePage,
  ImageRecord,
  LabelCount,
  Model,
  PatchImage,
  Preset,
  Provenance,
  RequestPreview,
  RetryCost,
} from './types.ts';

/** The API as the page uses it. Every function raises `ServiceError`, and `AbortError` when its signal fires. */
export type Service = ReturnType<typeof createService>;

/** Creates the service from the function that sends its requests. */
export function createService(send: Send) {
  const json = async <Value>(path: string, options?: RequestOptions) => readJson<Value>(await send(path, options));
  const image = (mediaId: string) => `images/${encodeURIComponent(mediaId)}`;
  return {
    /** Sends any other request and reads its JSON. */
    json,
    whoami: () => json<Identity>('whoami'),
    list: (query: URLSearchParams, signal?: AbortSignal) =>
      json<ImagePage>('images', { query, ...(signal && { signal }) }),
    /** The record, and its ETag for a change of it. */
    async read(mediaId: string, signal?: AbortSignal): Promise<{ record: ImageRecord; etag: string | null }> {
      const answer = await send(image(mediaId), signal && { signal });
      return { record: await readJson<ImageRecord>(answer), etag: answer.headers.get('etag') };
    },
    /**
     * Asks for a picture and answers at once. `key` makes it safe to send again: the same key and request pay once. Files go as parts, by
     * the names that the request's inputs give them.
     */
    create(request: CreateImage, key: string, files: ReadonlyMap<string, Blob> = new Map()) {
      const headers = { prefer: 'respond-async', 'idempotency-key': key };
      return json<ImageRecord>('images', {
        method: 'POST',
        headers,
        body: files.size === 0 ? request : toForm(request, files),
      });
    },
    preview: (request: CreateImage, files: ReadonlyMap<string, Blob>, signal: AbortSignal) =>
      json<RequestPreview>('images/preview', {
        method: 'POST',
        body: files.size === 0 ? request : toForm(request, files),
        signal,
      }),
    cancel: (mediaId: string) => json<ImageRecord>(`${image(mediaId)}/cancel`, { method: 'POST' }),
    retryCost: (mediaId: string, signal?: AbortSignal) =>
      json<RetryCost>(`${image(mediaId)}/retry`, signal && { signal }),
    retry: (mediaId: string) =>
      json<ImageRecord>(`${image(mediaId)}/retry`, { method: 'POST', headers: { prefer: 'respond-async' } }),
    /** Changes the record if it still has this ETag; raises the problem of a 412 where it has not. */
    patch: (mediaId: string, patch: PatchImage, etag: string | null = null) =>
      json<ImageRecord>(image(mediaId), {
        method: 'PATCH',
        body: patch,
        ...(etag !== null && { headers: { 'if-match': etag } }),
      }),
    async remove(mediaId: string): Promise<void> {
      const answer = await send(image(mediaId), { method: 'DELETE' });
      if (!answer.ok) await readJson(answer);
    },
    provenance: (mediaId: string, signal?: AbortSignal) =>
      json<Provenance>(`${image(mediaId)}/provenance`, signal && { signal }),
    models: () => json<{ items: Model[] }>('models'),
    presets: () => json<{ items: Preset[] }>('presets'),
    labels: () => json<{ items: LabelCount[] }>('labels'),
  };
}

function toForm(request: CreateImage, files: ReadonlyMap<string, Blob>): FormData {
  const form = new FormData();
  form.set('request', JSON.stringify(request));
  for (const [name, file] of files) form.set(name, file);
  return form;
}
