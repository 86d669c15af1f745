import { useEffect, useState } from 'preact/hooks';
import { formatDuration } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { mediaPath } from '../ui/media.ts';
import { useNow } from '../ui/now.ts';
import { explain, STATUS_WORDS } from '../ui/words.ts';
import { Placeholder } from './placeholder.ts';
import { isRunning, type Summary } from './summary.ts';

interface CardPictureProps {
  readonly summary: Summary;
  /** Called when the thumbnail cannot be loaded, as after its signed URL has run out. */
  readonly onLost: () => void;
}

/** The upper part of a card: the picture, what there is of it, or why there is none. */
export function CardPicture({ summary, onLost }: CardPictureProps) {
  const { status, failure } = summary;
  if (isRunning(status)) return html`<${Running} summary=${summary} />`;
  if (status === 'succeeded') return html`<${Finished} summary=${summary} onLost=${onLost} />`;
  if (status === 'cancelled') return html`<span class="card-words">Cancelled before it was done</span>`;
  const { title, advice } = explain(failure ?? '');
  return html`<span class="card-words card-failure"><b>${title}</b> <span>${advice}</span></span>`;
}

function Finished({ summary, onLost }: CardPictureProps) {
  const { thumbnail, thumbhash, title } = summary;
  const url = thumbnail?.url ?? null;
  const [loaded, setLoaded] = useState<string | null>(null);
  const [lost, setLost] = useState<string | null>(null);
  const lose = () => {
    setLost(url);
    // Once for a URL, so that a file that is gone is not asked for without end.
    if (lost === null) onLost();
  };
  const isShown = url !== null && lost !== url;
  return html`
    ${thumbhash !== null && loaded !== url && html`<${Placeholder} thumbhash=${thumbhash} />`}
    ${
      isShown
        ? html`<img class="card-image" src=${mediaPath(url)} alt=${title} width=${thumbnail?.width} height=${thumbnail?.height}
            loading="lazy" decoding="async" onLoad=${() => setLoaded(url)} onError=${lose} />`
        : html`<span class="card-words card-chip">The picture cannot be loaded now</span>`
    }
  `;
}

function Running({ summary }: Pick<CardPictureProps, 'summary'>) {
  const { status, statusSince, startedAt, title, partial, width, height } = summary;
  const now = useNow(true);
  const url = useBlobUrl(partial);
  // Of a picture that waits, how long it has; of one that is being made, since when.
  const since = status === 'queued' ? statusSince : (startedAt ?? statusSince);
  const elapsed = formatElapsed(now - Date.parse(since));
  return html`
    ${url !== null && html`<img class="card-image" src=${url} alt=${`${title}, as far as it is`} width=${width} height=${height} />`}
    <span class=${url === null ? 'card-words card-running' : 'card-words card-running card-chip'}>
      <b class="card-stage" aria-hidden="true">${STATUS_WORDS[status]}</b> <span class="card-elapsed">${elapsed}</span>
    </span>
    ${status !== 'queued' && html`<span class="card-pulse" aria-hidden="true"></span>`}
  `;
}

/** Whole seconds below a minute, as a tenth that changes every second says nothing. */
function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

function useBlobUrl(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === null) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => {
      setUrl(null);
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}
