import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Place } from './state/places.ts';
import { html } from './ui/html.ts';
import { Notice } from './ui/notice.ts';

/** The views, each loaded when it is needed, so that the one that a link leads to need not wait for the others. */
const LOADERS = {
  gallery: async () => (await import('./gallery/gallery.ts')).Gallery,
  picture: async () => (await import('./picture/picture.ts')).Picture,
  make: async () => (await import('./make/make.ts')).Make,
  operations: async () => (await import('./operations/operations.ts')).Operations,
} as const;

type LaterView = keyof typeof LOADERS;

/** What was loaded, so that a view that was seen before is there at once. */
const loaded = new Map<LaterView, ComponentType<object>>();

/** The view of a place. */
export function View({ place }: { readonly place: Place }) {
  switch (place.name) {
    case 'gallery':
      return html`<${Later} key="gallery" name="gallery" given=${{ filters: place.filters }} />`;
    case 'picture':
      return html`<${Later} key=${`picture ${place.mediaId}`} name="picture" given=${{ mediaId: place.mediaId }} />`;
    case 'make':
      return html`<${Later} key=${`make ${place.from} ${place.input}`} name="make" given=${{ from: place.from, input: place.input }} />`;
    case 'operations':
      return html`<${Later} key="operations" name="operations" given=${{}} />`;
    case 'unknown':
      return html`<${Notice} level=${1} title="There is no such page">
        <p><a href="#/">Go to the gallery</a></p>
      <//>`;
  }
}

interface LaterProps {
  readonly name: LaterView;
  readonly given: object;
}

function Later({ name, given }: LaterProps) {
  const [found, setFound] = useState<ComponentType<object> | 'failed' | null>(() => loaded.get(name) ?? null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (loaded.has(name)) return;
    let isLeft = false;
    LOADERS[name]().then(
      (component) => {
        loaded.set(name, component as ComponentType<object>);
        if (!isLeft) setFound(() => component as ComponentType<object>);
      },
      () => {
        if (!isLeft) setFound('failed');
      },
    );
    return () => {
      isLeft = true;
    };
  }, [name, round]);
  if (found === null) return html`<p class="view-loading muted" role="status">One moment …</p>`;
  if (found === 'failed') {
    const again = () => {
      setFound(null);
      setRound((before) => before + 1);
    };
    return html`<${Notice} title="This part of the page could not be loaded" kind="error" level=${1}>
      <p>The service did not send it. It may be starting again, or have been replaced by a new version: then reload the page.</p>
      <div class="actions">
        <button type="button" onClick=${again}>Try again</button>
        <button type="button" onClick=${() => location.reload()}>Reload the page</button>
      </div>
    <//>`;
  }
  return html`<${found} ...${given} />`;
}
