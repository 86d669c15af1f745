import sharp from 'sharp';
import { ALGORITHMIC_MEDIA } from '../../../core/domain/digital-source.ts';
import { ProviderError } from '../../../core/domain/errors.ts';
import type { MasterFormat } from '../../../core/domain/formats.ts';
import type { Size } from '../../../core/domain/geometry.ts';
import { round } from './curves.ts';
import { paintOver, type StartingPictures } from './edit.ts';
import { dunes, orbits, ribbons } from './motifs.ts';
import { choosePalette, type Palette } from './palette.ts';
import { between, pick, type Random, seededRandom } from './random.ts';

/** What to paint. */
export interface Painting {
  readonly prompt: string;
  readonly size: Size;
  readonly format: MasterFormat;
  /** The pictures to start from, encoded; absent for a picture from the prompt alone. */
  readonly start?: StartingPictures;
}

/**
 * Paints an abstract picture, or tints the one to start from in its colours, and encodes it: the same bytes for the same painting.
 * Raises `ProviderError` with `overloaded` where sharp fails, for example when memory runs out.
 */
export async function paint({ prompt, size, format, start }: Painting): Promise<Uint8Array> {
  try {
    const random = seededRandom(prompt);
    const svg = compose(size, random, await grainTile(random));
    const painted = Buffer.from(svg);
    const picture = start ? await paintOver(painted, size, start) : sharp(painted);
    const image = picture.removeAlpha().withXmp(MARK);
    switch (format) {
      case 'png':
        // Grain does not compress: more effort only costs time.
        return await image.png({ compressionLevel: 2, adaptiveFiltering: true }).toBuffer();
      case 'jpeg':
        return await image.jpeg({ quality: 90 }).toBuffer();
      case 'webp':
        return await image.webp({ quality: 90, effort: 2 }).toBuffer();
    }
  } catch (cause) {
    throw new ProviderError('overloaded', 'the placeholder could not be painted', { cause });
  }
}

/**
 * XMP that says what the picture is (IPTC Photo Metadata Standard, Digital Source Type), as a model's own answer does: a painting of the
 * size and format that was asked for becomes the master byte for byte.
 */
const MARK = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>${ALGORITHMIC_MEDIA}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>`;

/** The picture as an SVG document. All lengths are proportional to the size, so that a strip and an icon show every part. */
function compose(size: Size, random: Random, grain: string): string {
  const { width, height } = size;
  const palette = choosePalette(random);
  const motif = pick(random, [dunes, orbits, ribbons]);
  const parts = [backdrop(size, palette, random), motif(size, palette, random)].join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
  width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts}
<pattern id="grain" width="${GRAIN_SIDE}" height="${GRAIN_SIDE}" patternUnits="userSpaceOnUse">
<image width="${GRAIN_SIDE}" height="${GRAIN_SIDE}" xlink:href="data:image/png;base64,${grain}"/></pattern>
<rect width="100%" height="100%" fill="url(#grain)"/></svg>`;
}

/** The sky: a gradient with four soft lights in neighbouring colours. */
function backdrop({ width, height }: Size, palette: Palette, random: Random): string {
  const reach = Math.hypot(width, height);
  const lights = [0, 1, 2, 3].map((index) => {
    const glow = palette.glow(random());
    const radius = round(reach * between(random, 0.25, 0.5));
    const [x, y] = [round(width * between(random, -0.1, 1.1)), round(height * between(random, -0.1, 0.9))];
    return `<radialGradient id="light${index}" gradientUnits="userSpaceOnUse" cx="${x}" cy="${y}" r="${radius}">
<stop offset="0" stop-color="${glow}" stop-opacity="0.75"/><stop offset="0.5" stop-color="${glow}" stop-opacity="0.25"/>
<stop offset="1" stop-color="${glow}" stop-opacity="0"/></radialGradient>
<rect width="100%" height="100%" fill="url(#light${index})"/>`;
  });
  return `<linearGradient id="sky" x1="0" y1="0" x2="${round(between(random, -0.4, 0.4))}" y2="1">
<stop offset="0" stop-color="${palette.sky(0)}"/><stop offset="1" stop-color="${palette.sky(1)}"/></linearGradient>
<rect width="100%" height="100%" fill="url(#sky)"/>${lights.join('')}`;
}

/** Side of the grain tile, in pixels. */
const GRAIN_SIDE = 256;

/** A tile of film grain as a base64 PNG: black and white specks of low opacity, which hide the banding of gradients. */
async function grainTile(random: Random): Promise<string> {
  const pixels = Buffer.alloc(GRAIN_SIDE * GRAIN_SIDE * 4);
  for (let at = 0; at < pixels.length; at += 4) {
    const speck = random() + random() - 1;
    pixels.fill(speck < 0 ? 0 : 255, at, at + 3);
    pixels[at + 3] = Math.round(15 * Math.abs(speck));
  }
  const tile = await sharp(pixels, { raw: { width: GRAIN_SIDE, height: GRAIN_SIDE, channels: 4 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  return tile.toString('base64');
}
