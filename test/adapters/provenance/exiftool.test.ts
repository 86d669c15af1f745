import { execFile, execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { createFileSigner } from '../../../src/adapters/provenance/c2pa-signer.ts';
import { DIGITAL_SOURCE_TYPES } from '../../../src/core/domain/digital-source.ts';
import { RENDITION_FORMATS } from '../../../src/core/domain/formats.ts';
import { signingIdentity } from '../../support/credentials.ts';
import { texturedPicture } from '../../support/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const run = promisify(execFile);

it.for(DIGITAL_SOURCE_TYPES)(
  'is read and validated by exiftool, an independent reader, in every format: %s',
  async (digitalSourceType, { skip }) => {
    skip(!isInstalled(), 'exiftool is not installed; Debian has it as libimage-exiftool-perl');
    await using folder = await temporaryFolder();
    const identity = await signingIdentity();
    const signer = await createFileSigner({ identity, generator: { name: 'Easel', version: '1.2.3' }, now: Date.now });
    // Escaped, this prompt is far longer than a JPEG can hold.
    const prompt = `a "lighthouse" & ${"'".repeat(32_000)}`;
    const { renditions } = await createImaging({ signer }).finish(await texturedPicture({ width: 320, height: 180 }), {
      requested: { width: 320, height: 180 },
      master: { width: 320, height: 180, format: 'png' },
      crop: 'centre',
      renditions: RENDITION_FORMATS.map((format) => ({ width: 160, height: 90, format })),
      deferred: [],
      provenance: {
        mediaId: 'article-42-hero',
        provider: 'openai',
        model: 'gpt-image-2',
        createdAt: '2026-11-23T10:11:12.000Z',
        originalSha256: 'ab'.repeat(32),
        digitalSourceType,
        prompt,
        inputs: Array.from({ length: 16 }, (_, index) => ({
          sha256: index.toString(16).repeat(64),
          format: 'png' as const,
          mediaId: index === 0 ? null : 'a'.repeat(128),
        })),
      },
    });
    const files = renditions.map(({ format }) => join(folder.path, `a.${format}`));
    await Promise.all(renditions.map(({ bytes }, index) => writeFile(files[index] ?? '', bytes ?? [])));
    const { stdout } = await run('exiftool', ['-json', '-validate', '-warning', '-XMP:all', ...files]);
    const reports = JSON.parse(stdout) as readonly Record<string, string>[];
    expect(reports.map(({ SourceFile }) => SourceFile)).toEqual(files);
    for (const { AIPromptInformation, ...found } of reports) {
      expect(found).toMatchObject({
        Validate: 'OK',
        DigitalSourceType: digitalSourceType,
        AISystemUsed: 'gpt-image-2',
        ImageSupplierName: 'openai',
        Identifier: 'article-42-hero',
        CreateDate: expect.stringContaining('10:11:12'),
        DerivedFromDocumentID: `sha256:${'ab'.repeat(32)}`,
        IngredientsDocumentID: Array.from({ length: 16 }, (_, index) => `sha256:${index.toString(16).repeat(64)}`),
        IngredientsFilePath: Array(15).fill('a'.repeat(128)),
      });
      expect(AIPromptInformation, found.SourceFile).toMatch(/^a "lighthouse" & '{5000,}…$/);
    }
  },
);

function isInstalled(): boolean {
  try {
    execFileSync('exiftool', ['-ver']);
    return true;
  } catch {
    return false;
  }
}
