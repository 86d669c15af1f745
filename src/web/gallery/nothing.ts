import { usePage } from '../state/page.ts';
import { hashOf } from '../state/places.ts';
import { may } from '../state/session.ts';
import { useStore } from '../state/store.ts';
import { CopyField } from '../ui/copy-field.ts';
import { html } from '../ui/html.ts';
import { Notice } from '../ui/notice.ts';
import { clearFilters } from './filter-bar.ts';

/** What stands in the gallery before the first picture. */
export function NoPictures() {
  const { session } = usePage();
  const state = useStore(session);
  if (!may(state, 'generate')) {
    return html`<${Notice} title="No pictures yet"><p>Pictures appear here as soon as they are asked for.</p><//>`;
  }
  return html`<${Notice} title="No pictures yet">
    <p>Describe the first one in a sentence; it appears here while it is painted.</p>
    <p><a class="button primary" href=${hashOf({ name: 'make', from: null, input: null })}>Describe a picture</a></p>
    <p class="muted">Or from a terminal:</p>
    <${CopyField} name="command" value=${firstCommand(state.identity?.keysInUse ?? false)} long />
  <//>`;
}

function firstCommand(isKeyNeeded: boolean): string {
  const key = isKeyNeeded ? ' \\\n  -H "authorization: Bearer $EASEL_KEY"' : '';
  const body = '{"prompt":"a lighthouse at dusk, gouache"}';
  return `curl ${new URL('images', document.baseURI)}${key} \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`;
}

/** What stands there where the filters let nothing through. */
export function NothingMatches() {
  return html`<${Notice} title="No picture matches">
    <p>Other words, or fewer filters, may find it.</p>
    <button type="button" onClick=${clearFilters}>Show all pictures</button>
  <//>`;
}
