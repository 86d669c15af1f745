import { between, type Random } from './random.ts';

/** The colours of one picture as `#rrggbb`. Each `share` runs from 0 to 1. */
export interface Palette {
  /** From the top of the sky to the horizon. */
  readonly sky: (share: number) => string;
  /** From the background to the foreground. */
  readonly layer: (share: number) => string;
  /** Across the hues of the lights in the sky. */
  readonly glow: (share: number) => string;
  /** The sun. */
  readonly accent: string;
}

/** Neighbouring hues, by day or by night, and a warm sun. Computed in OKLCH, where equal steps look equal. */
export function choosePalette(random: Random): Palette {
  const hue = between(random, 0, 360);
  const drift = between(random, 40, 95) * (random() < 0.5 ? -1 : 1);
  const sunlight = between(random, 45, 100);
  if (random() < 0.4) {
    return {
      sky: (share) => oklch(0.2 + 0.16 * share, 0.06 + 0.04 * share, hue + 0.4 * drift * share),
      layer: (share) => oklch(0.58 - 0.4 * share, 0.15 - 0.08 * share, hue + drift * share),
      glow: (share) => oklch(0.5, 0.14, hue + drift * share),
      accent: oklch(0.89, 0.09, sunlight),
    };
  }
  return {
    sky: (share) => oklch(0.8 + 0.13 * share, 0.09 - 0.05 * share, hue + 0.4 * drift * share),
    layer: (share) => oklch(0.8 - 0.48 * share, 0.08 + 0.05 * share, hue + drift * share),
    glow: (share) => oklch(0.87, 0.09, hue + drift * share),
    accent: oklch(0.96, 0.05, sunlight),
  };
}

/** An OKLCH colour as sRGB `#rrggbb`, clipped. Matrices: Björn Ottosson, "A perceptual color space for image processing", 2020. */
function oklch(lightness: number, chroma: number, hueDegrees: number): string {
  const hue = (hueDegrees * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const channels = linear.map((value) => {
    const light = Math.min(1, Math.max(0, value));
    const encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
    return Math.round(255 * encoded)
      .toString(16)
      .padStart(2, '0');
  });
  return `#${channels.join('')}`;
}
