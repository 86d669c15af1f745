import { useEffect } from 'preact/hooks';
import { Facts } from '../picture-facts/facts.ts';
import { ServiceError } from '../service/service-error.ts';
import type { KnownImage } from '../state/images.ts';
import { html } from '../ui/html.ts';
import { ErrorNotice, Notice } from '../ui/notice.ts';
import { titleOf } from '../ui/picture-name.ts';
import { BackLink } from './back-link.ts';
import { Heading } from './heading.ts';
import { Links } from './links.ts';
import { Stage } from './stage.ts';
import { type PictureState, usePicture } from './use-picture.ts';

interface PictureProps {
  readonly mediaId: string;
}

/** One picture: itself, or how far it is, what can be done with it, and all that is known about it. */
export function Picture({ mediaId }: PictureProps) {
  const { state, readAgain } = usePicture(mediaId);
  const title = titleOfState(state);
  useEffect(() => {
    document.title = `${title} · Easel`;
  }, [title]);
  return html`<div class="picture">
    <${BackLink} />
    ${view()}
  </div>`;

  function view() {
    switch (state.name) {
      case 'reading':
        return html`<${Reading} />`;
      case 'shown':
        return html`<${Shown} known=${state.known} readAgain=${readAgain} />`;
      case 'deleted':
        return html`<div role="status"><${Notice} level=${1} title="This picture was deleted">
          <p>Its record and its files are gone, and links to it no longer work.</p>
          <p><a href="#/">Go to the gallery</a></p>
        <//></div>`;
      case 'failed':
        return isMissing(state.error)
          ? html`<${Notice} level=${1} title="There is no such picture">
              <p>No picture is called <strong>${mediaId}</strong> here, or this key may not see it. It may have been deleted.</p>
              <p><a href="#/">Go to the gallery</a></p>
            <//>`
          : html`<h1>Picture</h1><${ErrorNotice} error=${state.error} onRetry=${readAgain} />`;
    }
  }
}

interface ShownProps {
  readonly known: KnownImage;
  readonly readAgain: () => void;
}

function Shown({ known, readAgain }: ShownProps) {
  const { record } = known;
  return html`
    <div class="picture-top">
      <${Stage} known=${known} readAgain=${readAgain} />
      <${Heading} record=${record} />
    </div>
    <div class="picture-facts">
      <${Links} record=${record} />
      <${Facts} record=${record} />
    </div>`;
}

/** What stands while the record is read: the shape of the view, so that nothing jumps. */
function Reading() {
  return html`<div class="picture-top" aria-busy="true">
    <div class="stage"><svg class="stage-frame" width="1792" height="1024" viewBox="0 0 1792 1024" aria-hidden="true"></svg></div>
    <header class="picture-heading"><h1>Picture</h1><p class="muted" role="status">The picture is being read.</p></header>
  </div>`;
}

function titleOfState(state: PictureState): string {
  switch (state.name) {
    case 'reading':
      return 'Picture';
    case 'shown':
      return titleOf(state.known.record);
    case 'deleted':
      return 'Picture deleted';
    case 'failed':
      return isMissing(state.error) ? 'No such picture' : 'Picture';
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof ServiceError && error.problem?.code === 'not_found';
}
