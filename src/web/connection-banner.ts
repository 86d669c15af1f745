import { usePage } from './state/page.ts';
import { useStore } from './state/store.ts';
import { html } from './ui/html.ts';

/** Says that the service does not answer, for as long as it does not. */
export function ConnectionBanner() {
  const { connection } = usePage();
  const { isLost } = useStore(connection);
  return html`<div role="status" class=${isLost ? 'banner banner-lost' : 'banner'}>
    ${
      isLost &&
      html`<p>The service cannot be reached. It is tried again by itself; what you see and typed stays here.</p>
        <button type="button" onClick=${connection.tryNow}>Try now</button>`
    }
  </div>`;
}
