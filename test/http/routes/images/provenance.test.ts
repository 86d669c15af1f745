import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ALGORITHMIC_MEDIA, TRAINED_ALGORITHMIC_MEDIA } from '../../../../src/core/domain/digital-source.ts';
import type { Provenance } from '../../../../src/core/images/provenance.ts';
import { type Easel, startEasel } from '../../../support/app/easel.ts';
import { signingIdentity, withManifest } from '../../../support/credentials.ts';
import { openAiError, picture } from '../../../support/openai/answers.ts';
import { texturedPicture } from '../../../support/pictures.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const SIZE = { width: 1024, height: 640 };

async function provenanceOf(easel: Easel, mediaId: string): Promise<Provenance> {
  const response = await easel.get(`/images/${mediaId}/provenance`);
  expect(response.status).toBe(200);
  return (await response.json()) as Provenance;
}

it('reports what the record and the files say, and verifies the original, the master and the renditions', async () => {
  await using folder = await temporaryFolder();
  const { certificatePem, keyPem } = await signingIdentity();
  const [C2PA_CERT, C2PA_KEY] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  await Promise.all([writeFile(C2PA_CERT, certificatePem), writeFile(C2PA_KEY, keyPem)]);
  await using easel = await startEasel({
    env: { C2PA_CERT, C2PA_KEY, IMAGE_RENDITIONS: '256x160.png,256x160.avif', DEFERRED_RENDITIONS: 'none' },
  });
  easel.upstream.script(picture({ content: await withManifest(await texturedPicture(SIZE)) }));
  const { body: record } = await easel.post({ mediaId: 'a', prompt: 'a lighthouse' });

  const provenance = await provenanceOf(easel, 'a');
  const valid = {
    verdict: 'valid',
    failures: [],
    signer: { name: 'Example Newsroom', issuer: 'Easel Test Authority' },
  };
  expect(provenance).toMatchObject({
    mediaId: 'a',
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    provider: 'openai',
    model: 'gpt-image-2',
    createdAt: record.createdAt,
    originalSha256: record.sha256,
    original: { integrity: 'intact', sha256: record.sha256, xmp: null, c2pa: valid },
    master: {
      url: '/media/a.png',
      isOriginal: true,
      integrity: 'intact',
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      c2pa: { ...valid, ingredients: [] },
    },
  });
  expect(provenance.renditions).toHaveLength(2);
  for (const rendition of provenance.renditions) {
    expect(rendition).toMatchObject({
      isOriginal: false,
      integrity: 'intact',
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      xmp: { mediaId: 'a', model: 'gpt-image-2', provider: 'openai', createdAt: record.createdAt, prompt: null },
      c2pa: { ...valid, ingredients: [{ title: 'the original', hasManifest: true }] },
    });
    expect(rendition.xmp?.originalSha256).toBe(record.sha256);
  }
  const key = keyPem.split('\n')[1] ?? '';
  expect(key).not.toBe('');
  expect(easel.log.join('\n')).not.toContain(key);
});

it('reports the prompt of files that were made with EMBED_PROMPT', async () => {
  await using easel = await startEasel({ env: { EMBED_PROMPT: 'true' } });
  await easel.post({ mediaId: 'a', prompt: 'a <lighthouse> & "sea"' });
  const { master, renditions } = await provenanceOf(easel, 'a');
  expect(master).toMatchObject({ isOriginal: true, digitalSourceType: null, xmp: null, c2pa: null });
  expect(renditions[0]?.xmp?.prompt).toMatch(/^a <lighthouse> & "sea"/);
});

it('reports files that are changed, malformed or missing, and images without files', async () => {
  await using easel = await startEasel();
  await easel.post({ mediaId: 'a', prompt: 'a lighthouse' });
  const [master, rendition] = ['a.png', 'a@256x160.png'].map((name) => join(easel.folder, 'media', name));
  for (const file of [master, rendition]) await rm(file ?? '');
  await writeFile(master ?? '', 'RIFF....WEBPjumdc2pa');
  expect(await provenanceOf(easel, 'a')).toMatchObject({
    original: { integrity: 'intact' },
    master: { integrity: 'changed', xmp: null, c2pa: { verdict: 'invalid', signer: null } },
    renditions: [{ integrity: 'missing', xmp: null, c2pa: null }],
  });

  easel.upstream.script(picture({ beforeHeaders: 'forever' }));
  await easel.post({ mediaId: 'b', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
  const nothing = { digitalSourceType: null, original: null, master: null, renditions: [] };
  expect(await provenanceOf(easel, 'b')).toMatchObject(nothing);
  expect((await easel.get('/images/unknown/provenance')).status).toBe(404);
});

it('says of a placeholder picture that no model made it, in every file, whatever providers there are later', async () => {
  await using folder = await temporaryFolder();
  const { certificatePem, keyPem } = await signingIdentity();
  const [C2PA_CERT, C2PA_KEY] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  await Promise.all([writeFile(C2PA_CERT, certificatePem), writeFile(C2PA_KEY, keyPem)]);
  const env = { C2PA_CERT, C2PA_KEY, RETRY_MAX_ATTEMPTS: '1' };
  const sourceTypes = async (easel: Easel, mediaId: string) => {
    const { digitalSourceType, provider, master, renditions } = await provenanceOf(easel, mediaId);
    const files = master === null || master.isOriginal ? renditions : [master, ...renditions];
    const written = files.map(({ xmp, c2pa }) => [xmp?.digitalSourceType, c2pa?.digitalSourceType]);
    return { provider, digitalSourceType, written };
  };
  const everywhere = (provider: string, digitalSourceType: string, files: number) => ({
    provider,
    digitalSourceType,
    written: Array(files).fill([digitalSourceType, digitalSourceType]),
  });
  // The model makes no picture of this size, the placeholder does. The last rendition is made after the answer.
  const request = { prompt: 'a lighthouse', size: '1200x675', renditions: ['256x144.png', '64x36.avif'] };
  {
    await using easel = await startEasel({ folder: folder.path, env: { ...env, PROVIDERS: 'openai,placeholder' } });
    await easel.post({ mediaId: 'real', ...request });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'painted', ...request });
    await Promise.all(['real', 'painted'].map((mediaId) => easel.made(mediaId)));
    expect(await sourceTypes(easel, 'real')).toEqual(everywhere('openai', TRAINED_ALGORITHMIC_MEDIA, 3));
    expect(await sourceTypes(easel, 'painted')).toEqual(everywhere('placeholder', ALGORITHMIC_MEDIA, 2));
    // An original that is the master bears what its provider wrote.
    const { master } = await provenanceOf(easel, 'painted');
    const xmp = { digitalSourceType: ALGORITHMIC_MEDIA, mediaId: null };
    expect(master).toMatchObject({ isOriginal: true, digitalSourceType: ALGORITHMIC_MEDIA, xmp, c2pa: null });
  }
  await using easel = await startEasel({ folder: folder.path, env: { ...env, PROVIDERS: 'openai' } });
  const lost = '/media/painted@256x144.png';
  await rm(join(folder.path, lost));
  await fetch(`${easel.url}/cleanup`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  await expect.poll(async () => (await easel.get(lost)).status).toBe(200);
  expect(await sourceTypes(easel, 'painted')).toEqual(everywhere('placeholder', ALGORITHMIC_MEDIA, 2));
});
