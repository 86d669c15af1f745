import { describe, expect, it } from 'vitest';
import { openPresets } from '../../../src/composition/start/open-presets.ts';
import { ConfigError } from '../../../src/config/config.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import type { DescribedPresets, Preset } from '../../../src/core/planning/presets.ts';
import { animatedWebp, hugePng, rotatedJpeg, texturedPicture, truncated } from '../../support/pictures.ts';

const SIZE = { width: 64, height: 32 };
const plain = BUILT_IN_PRESETS.find(({ name }) => name === 'icon') as Preset;

/** Presets of which one has these files as references. */
function presetsWith(files: readonly string[]): DescribedPresets {
  return [plain, { ...plain, name: 'acme', references: files.map((file) => ({ file, use: `use of ${file}` })) }];
}

async function open(pictures: Readonly<Record<string, Uint8Array>>) {
  return await openPresets({
    presets: presetsWith(Object.keys(pictures)),
    referenceFiles: new Map(Object.entries(pictures)),
  });
}

describe('openPresets', () => {
  it('describes each reference by its content, and gives its bytes by their hash', async () => {
    const logo = await texturedPicture(SIZE);
    const photo = await rotatedJpeg(SIZE);
    const { presets, references } = await open({ 'logo.png': logo, 'photo.jpeg': photo });
    expect(presets[0]).toEqual(plain);
    expect(presets[1]?.references).toEqual([
      {
        file: 'logo.png',
        use: 'use of logo.png',
        sha256: sha256(logo),
        bytes: logo.length,
        format: 'png',
        ...SIZE,
        source: { sha256: sha256(logo) },
      },
      expect.objectContaining({ file: 'photo.jpeg', format: 'jpeg', ...SIZE, sha256: sha256(photo) }),
    ]);
    expect(references).toEqual(
      new Map([
        [sha256(logo), logo],
        [sha256(photo), photo],
      ]),
    );
  });

  it('leaves presets without references as they are, and decodes nothing', async () => {
    const inspect = () => Promise.reject(new Error('nothing is to be decoded'));
    const opened = await openPresets({ presets: BUILT_IN_PRESETS, referenceFiles: new Map() }, inspect);
    expect(opened).toEqual({ presets: BUILT_IN_PRESETS, references: new Map() });
  });

  it.each<[string, () => Promise<Buffer> | Buffer, RegExp]>([
    ['cut short', async () => truncated(await texturedPicture({ width: 256, height: 256 })), /./],
    ['without its end', async () => truncated(await texturedPicture(SIZE), -12), /IEND/],
    ['animated', () => animatedWebp(SIZE), /animated/],
    ['a bomb', () => hugePng(), /more than \d+ pixels/],
  ])('refuses one that is %s, with the others that are wrong', async (_, make, reason) => {
    const opening = open({ 'logo.png': await texturedPicture(SIZE), 'bad.png': await make(), 'worse.png': hugePng() });
    const error = await opening.catch((raised: unknown) => raised);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).issues).toEqual([
      expect.stringMatching(new RegExp(`^PRESETS: acme\\.references\\.1\\.file: .*${reason.source}`)),
      expect.stringMatching(/^PRESETS: acme\.references\.2\.file: /),
    ]);
  });
});
