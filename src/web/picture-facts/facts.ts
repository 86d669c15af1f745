import type { ImageRecord } from '../service/types.ts';
import { html } from '../ui/html.ts';
import { Checks } from './checks.ts';
import { FileFacts, Making } from './making.ts';
import { ProvenanceFacts } from './provenance.ts';
import { RequestFacts } from './request.ts';
import { Timeline } from './timeline.ts';

/** All that is known about a picture, in words. */
export function Facts({ record }: { readonly record: ImageRecord }) {
  return html`
    <${Making} record=${record} />
    <${Timeline} record=${record} />
    <${RequestFacts} request=${record.request} />
    ${record.checks.length > 0 && html`<${Checks} checks=${record.checks} />`}
    <${FileFacts} record=${record} />
    ${record.url !== null && html`<${ProvenanceFacts} key=${record.sha256} mediaId=${record.mediaId} />`}
  `;
}
