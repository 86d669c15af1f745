import { sizeWords } from '../picture-facts/words.ts';
import type { ImageRecord, Rendition } from '../service/types.ts';
import { CopyField } from '../ui/copy-field.ts';
import { formatBytes, formatTime } from '../ui/format.ts';
import { html } from '../ui/html.ts';
import { mediaLink } from '../ui/media.ts';
import { countOtherShapes, linksExpireAt, pictureText } from './picture-text.ts';

/** The links to the picture's files, and the text of its `<picture>` element, to copy. */
export function Links({ record }: { readonly record: ImageRecord }) {
  const { url, versionedUrl, renditions } = record;
  const text = pictureText(record, mediaLink);
  if (url === null || versionedUrl === null || text === null) return null;
  const expiresAt = linksExpireAt(record);
  const left = countOtherShapes(record);
  return html`<section class="picture-panel">
    <h2>Links</h2>
    ${
      expiresAt !== null &&
      html`<p class="note">
        The pictures are private: these links are signed, and stop working at${' '}
        <time datetime=${expiresAt}>${formatTime(expiresAt)}</time>.
      </p>`
    }
    <h3>Master</h3>
    <p class="muted small">${fileWords(record)}</p>
    <p class="link-label">Always as it stands</p>
    <${CopyField} name="link to the master" value=${mediaLink(url)} />
    <p class="link-label">This version of it, which may be cached for ever</p>
    <${CopyField} name="versioned link to the master" value=${mediaLink(versionedUrl)} />
    ${renditions.length > 0 && html`<h3>Renditions</h3>`}
    ${renditions.map((rendition) => html`<${RenditionLink} key=${nameOf(rendition)} rendition=${rendition} />`)}
    <h3>For a web page</h3>
    <p class="muted small">A picture element: the browser takes the format and the size that suit it.${
      left > 0 &&
      ` ${left === 1 ? 'One rendition' : `${left} renditions`} of another shape ${left === 1 ? 'is' : 'are'} left out.`
    }</p>
    <${CopyField} name="picture element" value=${text} long />
  </section>`;
}

function RenditionLink({ rendition }: { readonly rendition: Rendition }) {
  const name = nameOf(rendition);
  return html`
    <p class="link-label">${rendition.status === 'ready' ? fileWords(rendition) : `${name}, still being made`}</p>
    <${CopyField} name=${`link to the rendition ${name}`} value=${mediaLink(rendition.url)} />`;
}

/** A rendition as the request names it, such as `1200x675.webp`. */
function nameOf({ url }: Rendition): string {
  const { pathname } = new URL(url, 'http://easel.invalid');
  return decodeURIComponent(pathname.slice(pathname.lastIndexOf('@') + 1));
}

function fileWords(file: {
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly bytes: number | null;
}): string {
  const size = file.bytes === null ? '' : `, ${formatBytes(file.bytes)}`;
  return `${sizeWords(file)} ${file.format.toUpperCase()}${size}`;
}
