import { createHash } from 'node:crypto';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { createFileSigner, type FileSigner } from '../../../src/adapters/provenance/c2pa-signer.ts';
import { carriesManifest, createProvenanceReader } from '../../../src/adapters/provenance/reader.ts';
import { contentCredentials } from '../../../src/api/provenance.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { RENDITION_FORMATS } from '../../../src/core/domain/formats.ts';
import type { FinishedFile, FinishSpec } from '../../../src/core/ports/imaging.ts';
import {
  type IdentityOptions,
  referenceFailures,
  signingIdentity,
  type TestIdentity,
  withManifest,
} from '../../support/credentials.ts';
import { texturedPicture } from '../../support/pictures.ts';

const SIZE = { width: 320, height: 180 };
const reader = createProvenanceReader({ loadSharp: async () => sharp });
let identity: TestIdentity;

beforeAll(async () => {
  configureSharp();
  identity = await signingIdentity();
});

describe('a signed original', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('is not changed where its bytes are the master (%s)', async (format) => {
    const original = await withManifest(await texturedPicture({ ...SIZE, format }), identity);
    const { master } = await createImaging({ signer: await signer() }).finish(original, finishSpec(original, format));
    expect(master.bytes).toBeNull();
    const { c2pa } = await reader.read(original);
    expect(c2pa).toMatchObject({
      verdict: 'valid',
      failures: [],
      signer: { name: 'Example Newsroom', issuer: 'Easel Test Authority' },
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    });
    expect(await referenceFailures(original, format)).toEqual([]);
  });

  it.each(['png', 'jpeg', 'webp'] as const)(
    'is the ingredient of every file made from it, each with its own signature (%s)',
    async (format) => {
      const original = await withManifest(await texturedPicture({ ...SIZE, format }), identity);
      const { renditions, thumbnail, warnings } = await finishAll(original, format, await signer());
      const unsigned = await finishAll(original, format, null);
      const pairs = [...renditions.map((file, index) => [file, unsigned.renditions[index]] as const)];
      expect(warnings).toEqual([]);
      expect(renditions.map((file) => file.format)).toEqual(RENDITION_FORMATS);
      for (const [{ format, bytes }, plain] of [...pairs, [thumbnail, unsigned.thumbnail] as const]) {
        const { c2pa, xmp } = await reader.read(bytes ?? Buffer.alloc(0));
        expect(c2pa, format).toMatchObject({
          verdict: 'valid',
          generator: 'Easel/1.2.3',
          digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
          ingredients: [{ title: 'the original', hasManifest: true }],
        });
        expect(xmp, format).toMatchObject({
          digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
          originalSha256: sha256(original),
        });
        expect(await referenceFailures(bytes ?? Buffer.alloc(0), format), format).toEqual([]);
        expect(await pixelsOf(bytes), format).toEqual(await pixelsOf(plain?.bytes));
      }
    },
  );

  it('is the ingredient of a deferred rendition, too', async () => {
    const original = await withManifest(await texturedPicture(SIZE), identity);
    const deferred = [{ width: 160, height: 80, format: 'avif' as const }];
    const files: FinishedFile[] = [];
    const warnings = await createImaging({ signer: await signer() }).finishDeferred(
      original,
      { ...finishSpec(original, 'png'), deferred },
      async (file) => void files.push(file),
    );
    expect([warnings, files.length]).toEqual([[], 1]);
    const { c2pa } = await reader.read(files[0]?.bytes ?? Buffer.alloc(0));
    expect(c2pa).toMatchObject({ verdict: 'valid', ingredients: [{ title: 'the original', hasManifest: true }] });
  });

  it('passes no manifest on to unsigned files, which name it in XMP', async () => {
    const original = await withManifest(await texturedPicture(SIZE), identity);
    expect(carriesManifest(original)).toBe(true);
    const { renditions, warnings } = await finishAll(original, 'png', null);
    expect(warnings).toEqual([]);
    for (const { bytes } of renditions) {
      const { xmp, c2pa } = await reader.read(bytes ?? Buffer.alloc(0));
      expect([c2pa, xmp?.originalSha256]).toEqual([null, sha256(original)]);
    }
  });

  it('is an ingredient without a manifest where that cannot be read, with a warning', async () => {
    const original = damaged(await withManifest(await texturedPicture(SIZE), identity), 'c2pa.assertions');
    const { renditions, warnings } = await finishAll(original, 'png', await signer());
    expect(warnings.map(({ code }) => code)).toEqual(['repaired', 'credentials_dropped']);
    const { c2pa } = await reader.read(renditions[0]?.bytes ?? Buffer.alloc(0));
    expect(c2pa).toMatchObject({ verdict: 'valid', ingredients: [{ title: 'the original', hasManifest: false }] });
  });
});

describe('an original without a manifest', () => {
  it('is named by the signed files that are made from it', async () => {
    const original = await texturedPicture(SIZE);
    const { renditions, warnings } = await finishAll(original, 'png', await signer());
    expect(warnings).toEqual([]);
    for (const { format, bytes } of renditions) {
      const { c2pa } = await reader.read(bytes ?? Buffer.alloc(0));
      expect(c2pa, format).toMatchObject({ verdict: 'valid', ingredients: [{ hasManifest: false }] });
      expect(await referenceFailures(bytes ?? Buffer.alloc(0), format), format).toEqual([]);
    }
  });
});

it('names the pictures that the model was given as inputs to it, in every format', async () => {
  const original = await withManifest(await texturedPicture(SIZE), identity);
  const given = [
    { sha256: '1'.repeat(64), format: 'png' as const, mediaId: 'brand-hero' },
    { sha256: '2'.repeat(64), format: 'jpeg' as const, mediaId: null },
  ];
  const spec = finishSpec(original, 'png');
  const { renditions, warnings } = await createImaging({ signer: await signer() }).finish(original, {
    ...spec,
    renditions: RENDITION_FORMATS.map((format) => ({ width: 160, height: 90, format })),
    provenance: { ...spec.provenance, inputs: given },
  });
  expect(warnings).toEqual([]);
  for (const { format, bytes } of renditions) {
    const { c2pa } = await reader.read(bytes ?? Buffer.alloc(0));
    expect(c2pa, format).toMatchObject({
      verdict: 'valid',
      ingredients: [
        { title: 'the original', hasManifest: true },
        { title: 'input 1', hasManifest: false },
        { title: 'input 2', hasManifest: false },
      ],
    });
    expect(await referenceFailures(bytes ?? Buffer.alloc(0), format), format).toEqual([]);
  }
});

describe('the signer', () => {
  it.each(['P-256', 'P-384', 'RSA', 'Ed25519'] as const)('signs with a key of type %s', async (kind) => {
    const original = await texturedPicture(SIZE);
    const { renditions } = await finishAll(original, 'png', await signer({ kind }));
    const bytes = renditions[0]?.bytes ?? Buffer.alloc(0);
    expect((await reader.read(bytes)).c2pa).toMatchObject({ verdict: 'valid' });
    expect(await referenceFailures(bytes, 'png')).toEqual([]);
  });

  it.each<[string, IdentityOptions, RegExp]>([
    ['a P-521 key, which c2pa-ts verifies with the wrong hash', { kind: 'P-521' }, /secp521r1.* P-256/],
    ['a certificate for another purpose', { usages: ['1.3.6.1.5.5.7.3.1'] }, /emailProtection or documentSigning/],
  ])('refuses %s', async (_name, options, reason) => {
    await expect(signer(options)).rejects.toThrow(reason);
  });

  it('refuses a chain in the wrong order', async () => {
    const other = await signingIdentity();
    const chain = [identity.chain[0], other.chain[1]] as const;
    await expect(createFileSigner({ ...OPTIONS, identity: { ...identity, chain } })).rejects.toThrow(
      /followed by its issuer/,
    );
  });

  it('leaves files unsigned, with one warning, once the certificate has expired', async () => {
    const later = createFileSigner({ ...OPTIONS, identity, now: () => Date.now() + 30 * 86_400_000 });
    const { renditions, warnings } = await finishAll(await texturedPicture(SIZE), 'png', await later);
    expect(warnings).toEqual([{ code: 'not_signed', detail: expect.stringContaining('expired') }]);
    expect(renditions.map(({ bytes }) => carriesManifest(bytes ?? Buffer.alloc(0)))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('tampering', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('is found in the content (%s)', async (format) => {
    const file = await withManifest(await texturedPicture({ ...SIZE, format }), identity);
    const at = format === 'webp' ? 200 : file.length - 100;
    file[at] = (file[at] ?? 0) ^ 1;
    expect((await reader.read(file)).c2pa).toMatchObject({
      verdict: 'invalid',
      failures: [{ code: 'assertion.dataHash.mismatch' }],
    });
  });

  it.each([
    ['an assertion', 'trainedAlgorithmicMedia', 'assertion.hashedURI.mismatch'],
    ['the claim', 'xmp:iid:', 'claimSignature.mismatch'],
  ])('is found in %s', async (_name, word, code) => {
    const file = damaged(await withManifest(await texturedPicture(SIZE), identity), word);
    const { c2pa } = await reader.read(file);
    expect(c2pa?.verdict).toBe('invalid');
    expect(c2pa?.failures.map((failure) => failure.code)).toContain(code);
  });

  it("is found in an ingredient's manifest, which c2pa-ts does not verify", async () => {
    const original = await withManifest(await texturedPicture(SIZE), identity);
    const { renditions } = await finishAll(original, 'png', await signer());
    // The first claim in the file is the ingredient's.
    const file = damaged(Buffer.from(renditions[0]?.bytes ?? []), 'xmp:iid:');
    expect((await reader.read(file)).c2pa).toMatchObject({
      verdict: 'invalid',
      failures: [{ code: 'ingredient.manifest.mismatch', detail: 'the original' }],
    });
  });
});

it('never fails on a damaged file, and returns valid credentials', async () => {
  const files = await Promise.all(
    (await finishAll(await texturedPicture(SIZE), 'png', await signer())).renditions.map(({ bytes }) =>
      Buffer.from(bytes ?? []),
    ),
  );
  const change = fc.record({
    file: fc.integer({ min: 0, max: files.length - 1 }),
    // Near the manifest; changes elsewhere only break hashes.
    offsets: fc.array(fc.tuple(fc.integer({ min: -64, max: 4096 }), fc.integer({ min: 0, max: 255 })), {
      maxLength: 6,
    }),
    cut: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true })),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ file, offsets, cut }) => {
      const bytes = Buffer.from(files[file] ?? []);
      const start = bytes.indexOf('jumdc2pa');
      for (const [offset, value] of offsets) bytes[start + offset] = value;
      const { c2pa } = await reader.read(cut === null ? bytes : bytes.subarray(0, Math.ceil(bytes.length * cut)));
      if (c2pa) contentCredentials.parse(c2pa);
    }),
    { numRuns: 400 },
  );
});

const OPTIONS = { generator: { name: 'Easel', version: '1.2.3' }, now: Date.now };

async function signer(options?: IdentityOptions): Promise<FileSigner> {
  return createFileSigner({ ...OPTIONS, identity: options ? await signingIdentity(options) : identity });
}

function finishAll(original: Buffer, format: FinishSpec['master']['format'], signer: FileSigner | null) {
  const renditions = RENDITION_FORMATS.map((each) => ({ width: 160, height: 80, format: each }));
  return createImaging({ signer }).finish(original, { ...finishSpec(original, format), renditions });
}

function finishSpec(original: Buffer, format: FinishSpec['master']['format']): FinishSpec {
  return {
    requested: SIZE,
    master: { ...SIZE, format },
    crop: 'centre',
    renditions: [],
    deferred: [],
    provenance: {
      mediaId: 'article-42-hero',
      provider: 'openai',
      model: 'gpt-image-2',
      createdAt: '2026-11-23T10:11:12.000Z',
      originalSha256: sha256(original),
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      prompt: null,
    },
  };
}

/** The bytes with the last letter of the first such word changed. */
function damaged(bytes: Buffer, word: string): Buffer {
  const at = bytes.indexOf(word) + word.length - 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pixelsOf(bytes: Uint8Array | null | undefined): Promise<Buffer> {
  return sharp(bytes ?? undefined)
    .raw()
    .toBuffer();
}
