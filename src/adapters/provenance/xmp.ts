import type { FinishSpec, ProvenanceInput } from '../../core/ports/imaging.ts';
import type { EmbeddedMetadata } from '../../core/ports/provenance-reader.ts';

/**
 * The XMP packet of a file made from an original: it says in machine-readable form that the picture was generated, and how, as
 * Article 50 of the EU's AI Act requires. Uses properties of the IPTC Photo Metadata Standard 2025.1 (DigitalSourceType,
 * AISystemUsed, AIPromptInformation, PLUS ImageSupplier), Dublin Core and XMP Media Management, and names the original and the pictures that
 * the model was given by their hashes.
 */
export function xmpPacket(provenance: FinishSpec['provenance']): string {
  const { mediaId, digitalSourceType, provider, model, createdAt, originalSha256, prompt, inputs = [] } = provenance;
  return `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
    xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>${escapeXml(digitalSourceType)}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>${escapeXml(model)}</Iptc4xmpExt:AISystemUsed>
${
  prompt === null
    ? ''
    : `   <Iptc4xmpExt:AIPromptInformation>${promptText(prompt)}</Iptc4xmpExt:AIPromptInformation>
`
}   <plus:ImageSupplier>
    <rdf:Seq>
     <rdf:li rdf:parseType="Resource">
      <plus:ImageSupplierName>${escapeXml(provider)}</plus:ImageSupplierName>
     </rdf:li>
    </rdf:Seq>
   </plus:ImageSupplier>
   <dc:identifier>${escapeXml(mediaId)}</dc:identifier>
   <xmp:CreateDate>${escapeXml(createdAt)}</xmp:CreateDate>
   <xmp:CreatorTool>Easel</xmp:CreatorTool>
   <xmpMM:DerivedFrom rdf:parseType="Resource">
    <stRef:documentID>sha256:${escapeXml(originalSha256)}</stRef:documentID>
   </xmpMM:DerivedFrom>
${ingredients(inputs)}  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`;
}

/** What is kept of a property, in characters: as much as of a prompt that `xmpPacket` writes. */
const MAX_VALUE = 50_000;

/** Reads the properties that `xmpPacket` writes from any packet: as elements or attributes, under their usual prefixes. */
export function readXmp(packet: string): EmbeddedMetadata {
  const read = (name: string) => {
    // A tag holds no `<`, by XML's grammar: without that rule each `<name` that is never closed would be searched to the end of the packet.
    const [, element, attribute] =
      new RegExp(`<${name}(?:\\s[^<>]*)?>([^<]*)</${name}>|\\s${name}\\s*=\\s*["']([^"'<]*)["']`).exec(packet) ?? [];
    const value = unescapeXml((element ?? attribute ?? '').slice(0, MAX_VALUE).trim());
    return value === '' ? null : value;
  };
  return {
    digitalSourceType: read('Iptc4xmpExt:DigitalSourceType'),
    model: read('Iptc4xmpExt:AISystemUsed'),
    provider: read('plus:ImageSupplierName'),
    createdAt: read('xmp:CreateDate'),
    mediaId: read('dc:identifier'),
    originalSha256: /^sha256:([0-9a-f]{64})$/.exec(read('stRef:documentID') ?? '')?.[1] ?? null,
    prompt: read('Iptc4xmpExt:AIPromptInformation'),
  };
}

/** More than the models of today take; the first ones are named. */
const MAX_INGREDIENTS = 16;

/** The inputs as `xmpMM:Ingredients`, a bag of ResourceRef (XMP Specification Part 2, section 2.4); nothing for none. */
function ingredients(inputs: readonly ProvenanceInput[]): string {
  if (inputs.length === 0) return '';
  const items = inputs.slice(0, MAX_INGREDIENTS).map(({ sha256, mediaId }) => {
    const path = mediaId === null ? '' : `<stRef:filePath>${escapeXml(mediaId)}</stRef:filePath>`;
    return `<rdf:li rdf:parseType="Resource"><stRef:documentID>sha256:${escapeXml(sha256)}</stRef:documentID>${path}</rdf:li>`;
  });
  return `   <xmpMM:Ingredients><rdf:Bag>
${items.join('\n')}
   </rdf:Bag></xmpMM:Ingredients>
`;
}

/**
 * libvips 8.18 drops an XMP packet above 60,000 bytes from a JPEG; without the prompt a packet has fewer than 5,000, and each of its
 * ingredients fewer than 350.
 */
const MAX_PROMPT_BYTES = 48_000;

/** The prompt as XML text, cut to `MAX_PROMPT_BYTES`. */
function promptText(prompt: string): string {
  const escaped = escapeXml(prompt);
  if (Buffer.byteLength(escaped) <= MAX_PROMPT_BYTES) return escaped;
  let kept = '';
  let bytes = 0;
  for (const character of prompt) {
    const next = escapeXml(character);
    bytes += Buffer.byteLength(next);
    if (bytes > MAX_PROMPT_BYTES - 3) break;
    kept += next;
  }
  return `${kept}…`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Escapes markup. Characters that XML 1.0 cannot hold (section 2.2) and lone surrogates become U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:amp|lt|gt|quot|apos);/g,
    (entity) => Object.entries(ENTITIES).find(([, name]) => name === entity)?.[0] ?? entity,
  );
}
