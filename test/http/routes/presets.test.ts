import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PresetRecord } from '../../../src/api/presets.ts';
import { startEasel } from '../../support/app/easel.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('lists each preset in its current version, with an example request that is accepted', async () => {
  await using folder = await temporaryFolder();
  const PRESETS = join(folder.path, 'presets.json');
  const own = {
    stamp: { description: 'A stamp.', size: '1024x1024', renditions: ['64x64.webp'], brief: { style: 'engraving' } },
    icon: { version: 2, renditions: ['32x32.png'] },
  };
  await writeFile(PRESETS, JSON.stringify(own));
  await using easel = await startEasel({ env: { PRESETS } });

  const { items } = (await (await easel.get('/presets')).json()) as { items: readonly PresetRecord[] };
  expect(items.map(({ id }) => id)).toEqual(['article-hero@1', 'social-card@1', 'product@1', 'stamp@1', 'icon@2']);
  expect(items.at(3)).toEqual({
    id: 'stamp@1',
    name: 'stamp',
    version: 1,
    description: 'A stamp.',
    size: '1024x1024',
    renditions: ['64x64.webp'],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    checks: {},
    brief: { style: 'engraving' },
    references: [],
    require: [],
    forbid: [],
    example: { preset: 'stamp', brief: { subject: expect.any(String) } },
  });
  for (const { id, example, size, renditions } of items) {
    const { status, body } = await easel.post(example);
    expect([status, body.preset, `${body.width}x${body.height}`]).toEqual([201, id, size]);
    expect(body.renditions.map(({ url }) => url.split('@')[1])).toEqual(renditions);
  }
  // The built-in version can still be named, so that an earlier request can be repeated.
  const { body } = await easel.post({ ...items.at(4)?.example, preset: 'icon@1' });
  expect([body.preset, body.renditions.length]).toEqual(['icon@1', 2]);
});
