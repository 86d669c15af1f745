import sharp from 'sharp';
import { expect, it } from 'vitest';
import { readXmp, xmpPacket } from '../../../src/adapters/provenance/xmp.ts';
import { ALGORITHMIC_MEDIA, TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';

const PROVENANCE = {
  mediaId: 'article-42-hero',
  provider: 'openai',
  model: 'gpt-image-2',
  createdAt: '2026-11-23T10:11:12.000Z',
  originalSha256: 'ab'.repeat(32),
  digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
  prompt: null,
};

it('says that the picture was generated, how, and from which original', () => {
  const packet = xmpPacket(PROVENANCE);
  expect(xmpPacket({ ...PROVENANCE, digitalSourceType: ALGORITHMIC_MEDIA })).toContain(`Type>${ALGORITHMIC_MEDIA}</`);
  for (const line of [
    '<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>',
    '<Iptc4xmpExt:AISystemUsed>gpt-image-2</Iptc4xmpExt:AISystemUsed>',
    '<plus:ImageSupplierName>openai</plus:ImageSupplierName>',
    '<dc:identifier>article-42-hero</dc:identifier>',
    '<xmp:CreateDate>2026-11-23T10:11:12.000Z</xmp:CreateDate>',
    `<stRef:documentID>sha256:${'ab'.repeat(32)}</stRef:documentID>`,
  ]) {
    expect(packet).toContain(line);
  }
});

it('names the pictures that the model was given, beside the original, and of their sources a mediaId alone', async () => {
  const input = (digit: string, mediaId: string | null) => ({
    sha256: digit.repeat(64),
    format: 'png' as const,
    mediaId,
  });
  const packet = xmpPacket({ ...PROVENANCE, inputs: [input('1', 'brand-hero'), input('2', null)] });
  expect(packet).toContain(`<xmpMM:Ingredients><rdf:Bag>
<rdf:li rdf:parseType="Resource"><stRef:documentID>sha256:${'1'.repeat(64)}</stRef:documentID><stRef:filePath>brand-hero</stRef:filePath></rdf:li>
<rdf:li rdf:parseType="Resource"><stRef:documentID>sha256:${'2'.repeat(64)}</stRef:documentID></rdf:li>
   </rdf:Bag></xmpMM:Ingredients>`);
  await expect(parse(packet)).resolves.toBeDefined();
  expect(readXmp(packet).originalSha256).toBe(PROVENANCE.originalSha256);
  expect(xmpPacket({ ...PROVENANCE, inputs: [] })).toBe(xmpPacket(PROVENANCE));
});

it('fits into a JPEG with the longest prompt and the most pictures', () => {
  const inputs = Array(20).fill({ sha256: '0'.repeat(64), format: 'png', mediaId: 'a'.repeat(128) });
  const packet = xmpPacket({ ...PROVENANCE, mediaId: 'a'.repeat(128), prompt: "'".repeat(32_000), inputs });
  expect(Buffer.byteLength(packet)).toBeLessThan(60_000);
});

it.each([
  ['markup', '</rdf:RDF><script>&\'"', '&lt;/rdf:RDF&gt;&lt;script&gt;&amp;&apos;&quot;'],
  ['characters that XML cannot hold', 'a\0b\u0007c\uFFFEd', 'a\uFFFDb\uFFFDc\uFFFDd'],
  ['a lone surrogate', 'a\uD800b', 'a\uFFFDb'],
  ['other scripts and emoji', 'Übung 図 🎨', 'Übung 図 🎨'],
])('stays well-formed with %s', async (_name, model, written) => {
  const packet = xmpPacket({ ...PROVENANCE, model });
  expect(packet).toContain(`<Iptc4xmpExt:AISystemUsed>${written}</Iptc4xmpExt:AISystemUsed>`);
  await expect(parse(packet)).resolves.toBeDefined();
});

it('is checked with a parser that rejects malformed XML', async () => {
  await expect(parse(xmpPacket(PROVENANCE).replace('</rdf:Seq>', ''))).rejects.toThrow();
});

/** librsvg parses with libxml2, which rejects malformed XML. */
function parse(xml: string): Promise<Buffer> {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><metadata>${xml}</metadata></svg>`;
  return sharp(Buffer.from(drawing)).raw().toBuffer();
}
