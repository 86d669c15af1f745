import { useState } from 'preact/hooks';
import { sizeWords } from '../picture-facts/words.ts';
import type { ImageRecord } from '../service/types.ts';
import { formatBytes } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { mediaPath } from '../ui/media.ts';
import { altOf } from '../ui/picture-name.ts';
import { thumbhashUrl } from '../ui/thumbhash.ts';

interface MasterPictureProps {
  readonly record: ImageRecord;
  readonly readAgain: () => void;
}

/** The master, never larger than the view; until it is there, its thumbnail over its thumbhash, in the same place. */
export function MasterPicture({ record, readAgain }: MasterPictureProps) {
  const { width, height, format, bytes, sha256, thumbnail } = record;
  const source = mediaPath(record.versionedUrl ?? record.url ?? '');
  const [shown, setShown] = useState<string | null>(null);
  const [broken, setBroken] = useState<string | null>(null);
  const [lostThumbnail, setLostThumbnail] = useState<string | null>(null);
  const isShown = shown === sha256;
  const isBroken = broken === source;
  const stub = isShown ? null : thumbhashUrl(record.thumbhash);
  const retry = () => {
    setBroken(null);
    readAgain();
  };
  const size = { width, height };
  return html`<figure class="stage">
    <div class="stage-mat">
      ${stub !== null && html`<img class="stage-picture stage-stub" src=${stub} ...${size} alt="" />`}
      ${
        thumbnail !== null &&
        !isShown &&
        lostThumbnail !== thumbnail.versionedUrl &&
        html`<img class="stage-picture" onError=${() => setLostThumbnail(thumbnail.versionedUrl)}
            src=${mediaPath(thumbnail.versionedUrl)} ...${size} alt="" />`
      }
      ${
        !isBroken &&
        html`<img key=${sha256} class=${isShown ? 'stage-picture' : 'stage-picture stage-loading'} onLoad=${() => setShown(sha256)}
            onError=${() => setBroken(source)} src=${source} ...${size} alt=${altOf(record)} decoding="async" />`
      }
    </div>
    ${
      isBroken &&
      html`<div class="stage-broken" role="alert">
        <p>The picture's file could not be loaded. It may have been removed, or its link has expired.</p>
        <button type="button" onClick=${retry}>Try again</button>
      </div>`
    }
    <figcaption class="stage-caption">
      <a href=${source}>Open the full size</a>
      <span class="muted">${sizeWords(size)} · ${format.toUpperCase()}${bytes !== null && ` · ${formatBytes(bytes)}`}</span>
    </figcaption>
  </figure>`;
}
