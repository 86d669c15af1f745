import type { FinishOrder } from '../images/ports.ts';

/** IPTC NewsCode for pictures made by a model that was trained on sampled data. */
const TRAINED_ALGORITHMIC_MEDIA = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/**
 * The XMP packet of a file made from an original: machine-readable that and how it was generated, as Article 50 of the
 * EU's AI Act asks. Properties of the IPTC Photo Metadata Standard 2025.1 (DigitalSourceType, AISystemUsed, PLUS
 * ImageSupplier), Dublin Core and XMP Media Management; the original is named by its hash.
 */
export function xmpPacket(provenance: FinishOrder['provenance']): string {
  const { mediaId, provider, model, createdAt, originalSha256 } = provenance;
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
   <Iptc4xmpExt:DigitalSourceType>${TRAINED_ALGORITHMIC_MEDIA}</Iptc4xmpExt:DigitalSourceType>
   <Iptc4xmpExt:AISystemUsed>${escapeXml(model)}</Iptc4xmpExt:AISystemUsed>
   <plus:ImageSupplier>
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
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for XML 1.0: markup escaped; what XML has no way to write (section 2.2), half surrogate pairs too, becomes U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
