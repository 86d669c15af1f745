/** A brand's own look: what a preset with references, required and forbidden things makes of requests. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PresetRecord } from '../../src/api/presets.ts';
import { sha256 } from '../../src/core/domain/file-names.ts';
import { ANONYMOUS } from '../../src/core/domain/request.ts';
import { startEasel } from '../support/app/easel.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually } from '../support/until.ts';

const acme = {
  description: 'Pictures of Acme.',
  size: '1024x640',
  renditions: [],
  brief: { palette: ['#0b3d3a', '#f2c14e'] },
  references: [
    { file: 'brand/logo.png', use: "the brand's logo, small at the lower right, unchanged" },
    { file: 'brand/style.jpeg', use: 'an earlier picture, for its brush strokes and light' },
  ],
  require: ['the logo'],
  forbid: ['gradients'],
};

/** Writes the presets' file and its pictures; `seed` makes another logo. */
async function writeBrand(folder: string, seed = 'logo'): Promise<string> {
  await mkdir(join(folder, 'brand'), { recursive: true });
  await writeFile(join(folder, 'brand/logo.png'), await texturedPicture({ width: 256, height: 128, seed }));
  const style = await texturedPicture({ width: 320, height: 200, format: 'jpeg', seed: 'style' });
  await writeFile(join(folder, 'brand/style.jpeg'), style);
  const path = join(folder, 'presets.json');
  await writeFile(path, JSON.stringify({ acme }));
  return path;
}

const request = { preset: 'acme', brief: { subject: 'a mug on a table' } };

it('is listed with its pictures, and shows in the prompt that is sent', async () => {
  await using folder = await temporaryFolder();
  await using easel = await startEasel({ env: { PRESETS: await writeBrand(folder.path) } });
  const { items } = (await (await easel.get('/presets')).json()) as { items: readonly PresetRecord[] };
  const [logo, style] = acme.references;
  expect(items.find(({ name }) => name === 'acme')).toMatchObject({
    references: [
      { ...logo, width: 256, height: 128 },
      { ...style, width: 320, height: 200 },
    ],
    require: acme.require,
    forbid: acme.forbid,
  });

  const preview = await fetch(`${easel.url}/images/preview`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  expect([preview.status, ((await preview.json()) as { prompt: string }).prompt]).toEqual([
    200,
    [
      'a mug on a table',
      'Colour palette: #0b3d3a, #f2c14e.',
      'Make a new picture; the images given are references for it.',
      "Image 1 is a reference: the brand's logo, small at the lower right, unchanged.",
      'Image 2 is a reference: an earlier picture, for its brush strokes and light.',
      'Required in the picture: the logo.',
      'Avoid: gradients.',
    ].join('\n'),
  ]);
});

it('is refused with 422 where the model cannot edit, before anything is paid', async () => {
  await using folder = await temporaryFolder();
  const PRESETS = await writeBrand(folder.path);
  await using easel = await startEasel({ env: { PRESETS, MODEL_CATALOG: await paintersCatalog(folder.path) } });
  const { status, body } = await easel.post({ ...request, model: 'painter' });
  expect([status, body.code, body.errors.map(({ path }) => path)]).toEqual([422, 'unsupported_parameter', ['preset']]);
  expect(body.detail).toContain('painter cannot start from pictures, and acme@1 brings 2 reference pictures');
  expect(easel.upstream.calls).toEqual([]);
});

it('makes the same request a different one once a picture has other content under the same version', async () => {
  await using upstream = await startOpenAiServer();
  await using folder = await temporaryFolder();
  const start = async (seed: string) =>
    await startEasel({ upstream, folder: folder.path, env: { PRESETS: await writeBrand(folder.path, seed) } });
  {
    await using easel = await start('logo');
    const made = await easel.post({ ...request, mediaId: 'mug' });
    expect([made.status, made.body.preset]).toEqual([201, 'acme@1']);
    // What the preset brings stands for itself by its name: the request can be sent again as the record shows it.
    expect(JSON.stringify(made.body.request)).not.toContain('logo');
    expect((await easel.post({ ...made.body.request, mediaId: 'mug' })).status).toBe(200);
  }
  {
    await using easel = await start('logo');
    expect((await easel.post({ ...request, mediaId: 'mug' })).status).toBe(200);
  }
  await using easel = await start('another logo');
  const { status, body } = await easel.post({ ...request, mediaId: 'mug' });
  expect([status, body.code, body.errors]).toEqual([
    409,
    'media_id_conflict',
    [{ path: 'preset', message: expect.stringMatching(/preset/) }],
  ]);
  expect(upstream.calls).toHaveLength(1);
});

/** A catalog with a model that cannot edit. */
async function paintersCatalog(folder: string): Promise<string> {
  const path = join(folder, 'models.json');
  await writeFile(path, JSON.stringify({ painter: {} }));
  return path;
}

it('sends the pictures that the request was accepted with, also where an image is run again after they have changed', async () => {
  await using upstream = await startOpenAiServer();
  await using folder = await temporaryFolder();
  const start = async (seed: string) =>
    await startEasel({ upstream, folder: folder.path, env: { PRESETS: await writeBrand(folder.path, seed) } });
  const contents = async () =>
    await Promise.all(acme.references.map(async ({ file }) => sha256(await readFile(join(folder.path, file)))));
  const sent = () => upstream.calls.map(({ operation, files }) => [operation, ...files.map((file) => file.sha256)]);
  let accepted: readonly string[];
  {
    await using easel = await start('logo');
    accepted = await contents();
    upstream.always(openAiError('organization_not_verified'));
    expect((await easel.post({ ...request, mediaId: 'mug' })).status).toBe(502);
  }
  upstream.always(picture());
  await using easel = await start('another logo');
  expect(await contents()).not.toEqual(accepted);
  await easel.retry('mug');
  expect(sent()).toEqual(upstream.calls.map(() => ['edits', ...accepted]));

  // A new picture gets the new logo, after the input of its request.
  const { sha256: input } = await easel.record('mug');
  const create = { ...request, mediaId: 'mug-2', inputs: [{ mediaId: 'mug' }] };
  await easel.services.images.submit(create, ANONYMOUS, null);
  await eventually(async () => expect((await easel.record('mug-2')).status).toBe('succeeded'));
  expect(sent().at(-1)).toEqual(['edits', input, ...(await contents())]);
  expect((await easel.record('mug-2')).prompt).toContain("Image 2 is a reference: the brand's logo");
});
