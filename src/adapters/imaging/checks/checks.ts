import { CHECK_NAMES, type Check, type CheckName, type CheckPolicy } from '../../../core/domain/checks.ts';
import type { Size } from '../../../core/domain/geometry.ts';
import { measureContent } from './borders.ts';
import { measureSharpness, measureSpread, type Pixels, type Spread } from './measures.ts';

interface Rule {
  /** Smallest value that passes. */
  readonly threshold: number;
  readonly value: (picture: Pixels, spread: () => Spread, requested: Size) => number;
}

/**
 * Thresholds were chosen with `npm run bench -- gate` on synthetic pictures: 18 kinds of good ones, difficult ones among them
 * (stars, mist, line drawings, icons), and 49 kinds of bad ones, in three variants each as png, jpeg and webp. The figures
 * below count good pictures that fail (false positives) and bad ones that pass (missed). By default only uniformity rejects: it
 * has no false positives, and a blank picture shows nothing.
 */
const RULES: Readonly<Record<CheckName, Rule>> = {
  // Blank canvases, with or without JPEG noise, and faint noise: 0 to 0.73. The emptiest good picture, a dot on a page:
  // 8.1. False positives: 0 of 162; missed: 0 of 54.
  uniformity: { threshold: 2, value: (_, spread) => spread().deviation },
  // Pictures empty but for a strip along one side: 0.15 to 0.21. Good but simple pictures come close: words on a card 0.2 to 0.5, stars
  // and a dot on a page below 0.2. False positives: 21 of 162; missed: 0.
  entropy: { threshold: 0.25, value: (_, spread) => spread().entropy },
  // Gaussian blur with a sigma of 8 pixels: 0 to 0.21; of 4: 0.15 to 0.27. Watercolours: from 0.23; sharp edges: from 0.66.
  // Mist and plain gradients have no edges to measure. False positives: 21 of 162; missed: 20 of 135, all with a sigma of 4.
  sharpness: { threshold: 0.22, value: (picture) => measureSharpness(picture) },
  // Bars of 4% on two sides: 0.92. All good pictures, flat stripes and horizons too: 1. False positives: 0; missed: 9 of
  // 225, drawings on white between white bars.
  borders: { threshold: 0.97, value: (picture) => measureContent(picture) },
  // Received over requested width, or height where that is smaller. Servers that round to multiples of 64 pixels stay above 0.9.
  size: {
    threshold: 0.9,
    value: ({ width, height }, _, requested) => Math.min(width / requested.width, height / requested.height),
  },
  // The narrower aspect ratio over the wider one. 1792x1024 for 16:9: 0.98; 3:2 for 16:9: 0.84.
  ratio: {
    threshold: 0.9,
    value: ({ width, height }, _, requested) => {
      const stretch = (width * requested.height) / (height * requested.width);
      return Math.min(stretch, 1 / stretch);
    },
  },
};

/**
 * Runs every check that the policy does not set to `off`. A value below its threshold gets the policy's mode as its verdict,
 * any other one `ok`. Pure; takes about 3 ms, whatever the picture's size.
 */
export function checkPicture(picture: Pixels, requested: Size, policy: CheckPolicy): readonly Check[] {
  let measured: Spread | undefined;
  const spread = () => {
    measured ??= measureSpread(picture);
    return measured;
  };
  return CHECK_NAMES.flatMap((name) => {
    const rule = RULES[name];
    const mode = policy[name];
    if (mode === 'off') return [];
    const value = Math.round(rule.value(picture, spread, requested) * 100) / 100;
    return [{ name, value, threshold: rule.threshold, verdict: value < rule.threshold ? mode : 'ok' }];
  });
}
