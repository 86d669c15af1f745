import { useEffect, useState } from 'preact/hooks';
import type { Provenance } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { formatTime } from '../ui/format.ts';
import { type Children, html } from '../ui/html.ts';
import { ErrorNotice } from '../ui/notice.ts';
import { type Fact, FactList, Panel } from './fact-list.ts';
import { asSentence, CREDENTIAL_WORDS, INTEGRITY_WORDS, ROLE_WORDS, sizeWords, sourceTypeWords } from './words.ts';

type File = NonNullable<Provenance['original']>;

/** Where the picture comes from, and what of that could be verified. */
export function ProvenanceFacts({ mediaId }: { readonly mediaId: string }) {
  const { service } = usePage();
  const [provenance, setProvenance] = useState<Provenance | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const reading = new AbortController();
    setError(null);
    service.provenance(mediaId, reading.signal).then(setProvenance, (error) => {
      if (!reading.signal.aborted) setError(error);
    });
    return () => reading.abort();
  }, [mediaId, turn]);
  return html`<${Panel} title="Provenance">
    ${error !== null && html`<${ErrorNotice} error=${error} onRetry=${() => setTurn(turn + 1)} />`}
    ${provenance === null ? error === null && html`<p class="muted">Its files are being verified.</p>` : describe(provenance)}
  <//>`;
}

function describe({ digitalSourceType, provider, model, createdAt, inputs, original, master, renditions }: Provenance) {
  const files: readonly (readonly [string, File | null])[] = [
    ['Original, as the model gave it', master?.isOriginal ? null : original],
    [master?.isOriginal ? 'Master, byte for byte what the model gave' : 'Master', master],
    ...renditions.map((file) => [`${sizeWords(file)} ${file.format.toUpperCase()}`, file] as const),
  ];
  return html`
    <p>${sourceTypeWords(digitalSourceType)}, by ${provider} with ${model}, ${formatTime(createdAt)}.</p>
    ${inputs.length > 0 && html`<${FactList} facts=${inputs.map(inputFact)} />`}
    <${FactList} facts=${fileFacts(files)} />`;
}

/** What is said of each file, once for all files of which the same is said. */
function fileFacts(files: readonly (readonly [string, File | null])[]): readonly Fact[] {
  const there = files.flatMap(([name, file]) => (file === null ? [] : [{ name, file }]));
  const groups = Map.groupBy(there, ({ file }) => fileWords(file).join(' '));
  return [...groups.values()].map(
    (group): Fact => [group.map(({ name }) => name).join('; '), group[0] && describeFile(group[0].file)],
  );
}

function inputFact(
  { role, sha256, format, width, height, mediaId, url }: Provenance['inputs'][number],
  index: number,
): Fact {
  const from = mediaId ?? url ?? `a file with the SHA-256 ${sha256.slice(0, 12)}…`;
  return [`${ROLE_WORDS[role]} ${index + 1}`, `${sizeWords({ width, height })} ${format.toUpperCase()}, from ${from}`];
}

function fileWords({ integrity, xmp, c2pa }: File): readonly string[] {
  return [
    INTEGRITY_WORDS[integrity],
    xmp === null ? 'No XMP metadata.' : `XMP metadata, not signed: ${xmpWords(xmp)}.`,
    c2pa === null ? 'No content credentials (C2PA).' : credentialWords(c2pa),
  ];
}

function describeFile(file: File): Children {
  const [integrity, ...metadata] = fileWords(file);
  return html`<ul>
    <li class=${`integrity-${file.integrity}`}>${integrity}</li>
    ${metadata.map((sentence) => html`<li key=${sentence}>${sentence}</li>`)}
  </ul>`;
}

function xmpWords({ digitalSourceType, model, provider, createdAt }: NonNullable<File['xmp']>): string {
  const says = [
    digitalSourceType && sourceTypeWords(digitalSourceType).toLowerCase().replace('iptc', 'IPTC'),
    model && `with ${model}`,
    provider && `by ${provider}`,
    createdAt && `at ${Number.isNaN(Date.parse(createdAt)) ? createdAt : formatTime(createdAt)}`,
  ].filter((part) => typeof part === 'string' && part !== '');
  return says.length === 0 ? 'nothing of its origin' : says.join(', ');
}

function credentialWords({ verdict, detail, signer, signedAt, generator }: NonNullable<File['c2pa']>): string {
  const parts = [
    `${CREDENTIAL_WORDS[verdict]}.`,
    asSentence(detail),
    signer &&
      `Signed by ${signer.name} (certificate of ${signer.issuer})${signedAt ? `, ${formatTime(signedAt)}` : ''}.`,
    generator && `Claimed by ${generator}.`,
  ];
  return parts.filter((part) => part !== null && part !== '').join(' ');
}
