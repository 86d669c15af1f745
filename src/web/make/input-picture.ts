import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import { usePage } from '../state/page.ts';
import { useStore } from '../state/store.ts';
import { html } from '../ui/html.ts';
import { mediaPath } from '../ui/media.ts';
import type { DraftInput } from './draft.ts';

/** What a person calls the input by. */
export function nameOf(input: DraftInput): string {
  if ('file' in input) return input.blob.name;
  if ('mediaId' in input) return input.mediaId;
  return 'url' in input ? input.url : `an earlier upload (${input.sha256.slice(0, 12)})`;
}

/** The input as a small picture; of one that is elsewhere, only a place for it, since the page asks no other host. */
export function InputPicture({ input }: { readonly input: DraftInput }) {
  const url = useObjectUrl('file' in input ? input.blob : null);
  if (url !== null) return html`<img src=${url} alt="" />`;
  if ('mediaId' in input) return html`<${KnownPicture} mediaId=${input.mediaId} />`;
  return html`<span class="no-picture small muted">${'url' in input ? 'Fetched when it is made' : ''}</span>`;
}

function KnownPicture({ mediaId }: { readonly mediaId: string }) {
  const { service, images } = usePage();
  const known = useStore(images.of(mediaId));
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    if (known !== null) return;
    const left = new AbortController();
    service.read(mediaId, left.signal).then(
      ({ record }) => images.note(record),
      (error) => setMissing(error instanceof ServiceError && error.problem?.code === 'not_found'),
    );
    return () => left.abort();
  }, [mediaId, known === null]);
  const url = known?.record.thumbnail?.versionedUrl;
  return url === undefined
    ? html`<span class="no-picture small muted">${isMissing ? 'This picture is gone' : ''}</span>`
    : html`<img src=${mediaPath(url)} alt="" />`;
}

/** A URL of the file for as long as the component shows it. */
function useObjectUrl(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === null) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return url;
}
