import { CHECK_NAMES, type Check, type CheckName, type CheckPolicy } from '../../core/domain/checks.ts';
import type { Size } from '../../core/domain/geometry.ts';
import { measureContent } from './borders.ts';
import { measureSharpness, measureSpread, type Pixels, type Spread } from './measures.ts';

interface Rule {
  /** The least value that is ok. */
  readonly threshold: number;
  readonly value: (picture: Pixels, spread: Spread, requested: Size) => number;
}

/**
 * Thresholds were chosen by `npm run bench -- gate`, over made pictures of 18 kinds that are fine, hard ones among them
 * (stars, mist, line drawings, icons), and 49 kinds that are not, in three variants each as png, jpeg and webp. Only a
 * check without a false positive, and whose fault leaves nothing to show, rejects unless told otherwise.
 */
const RULES: Readonly<Record<CheckName, Rule>> = {
  // Blank canvases, with the noise of jpeg or without, and faint noise: 0 to 0.73. The emptiest fine one, a dot on a
  // page: 8.1. Of 162 fine pictures none is accused, of 54 blank ones none passes.
  uniformity: { threshold: 2, value: (_, { deviation }) => deviation },
  // Nothing but a strip along one side: 0.15 to 0.21. Words on a card have 0.2 to 0.5, stars and a dot on a page less
  // than 0.2: simple is not broken. 21 of 162 accused, none missed.
  entropy: { threshold: 0.25, value: (_, { entropy }) => entropy },
  // Blurred by a sigma of 8 pixels: 0 to 0.21; of 4: 0.15 to 0.27. Watercolours: 0.23 up; with sharp edges: 0.66 up.
  // Mist and plain gradients have no edge to tell by: 21 of 162 accused. 20 of 135 missed, all blurred by 4.
  sharpness: { threshold: 0.22, value: (picture) => measureSharpness(picture) },
  // Bars of 4% on two sides leave 0.92. Of the fine ones all have 1, flat stripes and horizons too: none accused.
  // Missed: 9 of 225, drawings on white between white bars.
  borders: { threshold: 0.97, value: (picture) => measureContent(picture) },
  // Of the sides over those asked for, the lesser. Servers that round to steps of 64 pixels stay above.
  size: {
    threshold: 0.9,
    value: ({ width, height }, _, requested) => Math.min(width / requested.width, height / requested.height),
  },
  // The narrower shape over the wider one. 1792x1024 for 16:9 has 0.98; 3:2 for 16:9 has 0.84.
  ratio: {
    threshold: 0.9,
    value: ({ width, height }, _, requested) => {
      const stretch = (width * requested.height) / (height * requested.width);
      return Math.min(stretch, 1 / stretch);
    },
  },
};

/**
 * Judges a decoded picture by every check that is not `off`. A value below its threshold gets the verdict that the
 * policy names, every other one is `ok`. Pure; some 5 ms on the event loop whatever the picture's size.
 */
export function checkPicture(picture: Pixels, requested: Size, policy: CheckPolicy): readonly Check[] {
  const spread = measureSpread(picture);
  return CHECK_NAMES.flatMap((name) => {
    const rule = RULES[name];
    const mode = policy[name];
    if (mode === 'off') return [];
    const value = Math.round(rule.value(picture, spread, requested) * 100) / 100;
    return [{ name, value, threshold: rule.threshold, verdict: value < rule.threshold ? mode : 'ok' }];
  });
}
