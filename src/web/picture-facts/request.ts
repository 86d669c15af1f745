import type { ImageRecord } from '../service/types.ts';
import { hashOf } from '../state/places.ts';
import { type Children, html } from '../ui/html.ts';
import { type Fact, FactList, LongText, Panel } from './fact-list.ts';
import { ageWords, sizeWords } from './words.ts';

type Request = ImageRecord['request'];
type Brief = NonNullable<Request['brief']>;
type Source = NonNullable<Request['inputs']>[number];

const BRIEF_WORDS: Readonly<Record<keyof Brief, string>> = {
  subject: 'Subject',
  style: 'Style of the brief',
  mood: 'Mood',
  palette: 'Palette',
  composition: 'Composition',
  lighting: 'Lighting',
  avoid: 'To avoid',
  text: 'Words in the picture',
};

/** What was asked for, with presets and defaults filled in. */
export function RequestFacts({ request }: { readonly request: Request }) {
  const { prompt, brief, preset, model, provider, size, quality, style, background, format, renditions } = request;
  const { inputs = [], mask, partials, metadata, ttlSeconds, webhookUrl } = request;
  const facts: readonly Fact[] = [
    ['Prompt', prompt && html`<${LongText} name="Prompt" text=${prompt} />`],
    ...briefFacts(brief),
    ['Preset', preset],
    ['Model', model],
    ['Only by', provider],
    ['Size', `${sizeWords(size)} pixels`],
    ['Quality', quality === 'auto' ? 'Left to the model' : quality],
    ['Style', style],
    ['Background', background === 'auto' ? 'Left to the model' : background],
    ['Format', format.toUpperCase()],
    ['Renditions', renditions.length === 0 ? 'None' : list(renditions.map(renditionWords))],
    ['Made from', inputs.length === 0 ? null : list(inputs.map(sourceWords))],
    ['Mask', mask && sourceWords(mask)],
    ['First looks', partials === 0 ? null : `${partials} while it is made`],
    ['Metadata', pairs(metadata)],
    ['Kept for', ttlSeconds === null ? null : ageWords(ttlSeconds)],
    ['Webhook to', webhookUrl && (URL.parse(webhookUrl)?.host ?? webhookUrl)],
  ];
  return html`<${Panel} title="What was asked for"><${FactList} facts=${facts} /><//>`;
}

function briefFacts(brief: Request['brief']): readonly Fact[] {
  if (brief === null) return [];
  return (Object.keys(BRIEF_WORDS) as (keyof Brief)[]).map((part) => {
    const value = brief[part];
    return [BRIEF_WORDS[part], typeof value === 'object' ? value.join(', ') : value];
  });
}

function renditionWords(rendition: string): string {
  const [size = '', format = ''] = rendition.split('.');
  return `${sizeWords(size)} ${format.toUpperCase()}`;
}

function sourceWords(source: Source): Children {
  if ('mediaId' in source) {
    return html`<a href=${hashOf({ name: 'picture', mediaId: source.mediaId })}>${source.mediaId}</a>`;
  }
  return 'url' in source ? source.url : html`A file with the SHA-256 <code>${source.sha256.slice(0, 12)}…</code>`;
}

function list(items: readonly Children[]): Children {
  return items.length === 1
    ? items[0]
    : html`<ul>${items.map((item, index) => html`<li key=${index}>${item}</li>`)}</ul>`;
}

function pairs(metadata: Request['metadata']): Children {
  const entries = Object.entries(metadata);
  return entries.length === 0 ? null : list(entries.map(([name, value]) => `${name}: ${value}`));
}
