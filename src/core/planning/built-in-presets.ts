import type { Presets } from './presets.ts';

/** The presets that come with Easel. The file named by `PRESETS` adds others, and new versions of these. */
export const BUILT_IN_PRESETS: Presets = [
  {
    name: 'article-hero',
    version: 1,
    description: 'The wide picture above an article, shown at 1200x675.',
    size: { width: 1792, height: 1024 },
    renditions: [{ width: 1200, height: 675, format: 'png' }],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'editorial illustration with photographic depth',
      composition: 'one clear focal point, wide framing, room to breathe around it',
      lighting: 'natural, directional light',
      avoid: ['text', 'letters', 'logos', 'watermarks', 'borders'],
    },
    example: 'a lighthouse on a cliff at dusk',
  },
  {
    name: 'social-card',
    version: 1,
    description: 'The preview that social networks show for a link, 1200x630.',
    size: { width: 1200, height: 630 },
    renditions: [{ width: 600, height: 315, format: 'jpeg' }],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'bold, simple shapes that read at thumbnail size',
      composition: 'subject in the middle third, high contrast against the background',
      avoid: ['small details', 'letters', 'logos', 'watermarks', 'borders'],
    },
    example: 'a paper boat on a wide blue sea',
  },
  {
    name: 'product',
    version: 1,
    description: 'One product on a calm studio background, square.',
    size: { width: 1024, height: 1024 },
    renditions: [{ width: 512, height: 512, format: 'webp' }],
    quality: 'high',
    background: 'opaque',
    format: 'png',
    brief: {
      style: 'studio product photograph, true colours and materials',
      composition: 'the whole product centred, straight on, with even margins',
      lighting: 'soft box light from above left, gentle shadow below',
      avoid: ['people', 'hands', 'props', 'text', 'watermarks'],
    },
    example: 'a hand-thrown stoneware mug',
  },
  {
    name: 'icon',
    version: 1,
    description: 'One simple symbol, square, readable when small.',
    size: { width: 1024, height: 1024 },
    renditions: [
      { width: 256, height: 256, format: 'png' },
      { width: 64, height: 64, format: 'png' },
    ],
    // A symbol on a plain background is flat by design.
    checks: { entropy: 'off', borders: 'off' },
    quality: 'medium',
    background: 'auto',
    format: 'png',
    brief: {
      style: 'flat vector icon, few colours, strong silhouette',
      composition: 'a single centred symbol that fills most of the square',
      avoid: ['text', 'letters', 'gradients', 'fine detail', 'borders'],
    },
    example: 'a mountain with a flag on its top',
  },
];
