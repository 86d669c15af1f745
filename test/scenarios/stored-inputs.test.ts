import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type Easel, type Problem, startEasel } from '../support/app/easel.ts';
import { inputFiles, names } from '../support/app/inputs.ts';
import { texturedPicture } from '../support/pictures.ts';
import { createTestDatabase } from '../support/postgres/shared-server.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

// How inputs that are stored already are named in a body, by the keys that see a record with them.

const prompt = 'the same in winter';
const SIZE = { width: 64, height: 40 };
const logo = await texturedPicture({ ...SIZE, seed: 'logo' });
const mask = await texturedPicture({ ...SIZE, seed: 'mask', transparent: true });
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const [LOGO, MASK, UNKNOWN] = [hashOf(logo), hashOf(mask), hashOf(Buffer.from('unknown'))];
const KEYS = { API_KEYS: TEST_KEYS };

/** Has a picture made of the logo, with the mask, by the key `shop`. */
async function upload(easel: Easel, mediaId = 'x', headers: Record<string, string> = {}) {
  const form = new FormData();
  const request = { mediaId, prompt, inputs: [{ file: 'logo' }], mask: { file: 'mask' } };
  form.set('request', JSON.stringify(request));
  form.set('logo', new Blob([new Uint8Array(logo)]));
  form.set('mask', new Blob([new Uint8Array(mask)]));
  const response = await fetch(`${easel.url}/images`, { method: 'POST', body: form, headers });
  expect(response.status).toBe(201);
  return (await response.json()) as ImageRecord;
}

const remove = async (easel: Easel, mediaId: string, headers: Record<string, string> = {}) =>
  (await fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE', headers })).status;

/** What a problem says, whatever the hash and the request. */
const wordsOf = ({ code, detail, errors }: Problem, sha256: string) =>
  JSON.stringify({ code, detail, errors }).replaceAll(sha256, 'HASH');

describe('an input by its sha256', () => {
  it('is the one that a record shows: for a mask, too, in any order, and beside others', async () => {
    await using easel = await startEasel();
    const { request } = await upload(easel);
    expect(request).toMatchObject({ inputs: [{ sha256: LOGO }], mask: { sha256: MASK } });
    const inputs = [{ sha256: MASK }, { mediaId: 'x' }, { sha256: LOGO }];
    const { status, body } = await easel.post({ mediaId: 'y', prompt, inputs });
    expect([status, body.request.inputs]).toEqual([201, inputs]);
    const sent = easel.upstream.calls.at(-1)?.files.map(({ sha256 }) => sha256);
    expect(sent).toEqual([MASK, (await easel.record('x')).sha256, LOGO]);
    expect(await inputFiles(easel)).toContain(`inputs/${LOGO}`);
    const preview = await fetch(`${easel.url}/images/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt, inputs }),
    });
    expect(preview.status).toBe(200);
  });

  it('is for keys that see such a record, and as unknown to all others as one that there is not', async () => {
    await using easel = await startEasel({ env: KEYS });
    await upload(easel, 'x', bearer('shop'));
    const post = async (key: string, body: object) => await easel.post({ prompt, ...body }, bearer(key));
    expect((await post('shop', { inputs: [{ sha256: LOGO }], mask: { sha256: MASK } })).status).toBe(201);
    expect((await post('editor', { inputs: [{ sha256: LOGO }] })).status).toBe(201);
    expect((await post('boss', { inputs: [{ sha256: LOGO }] })).status).toBe(201);

    const bodies = [
      ['inputs.0', (sha256: string) => ({ inputs: [{ sha256 }] })],
      ['mask', (sha256: string) => ({ inputs: [{ mediaId: 'mine' }], mask: { sha256 } })],
    ] as const;
    expect((await post('blog', { mediaId: 'mine' })).status).toBe(201);
    for (const [path, bodyOf] of bodies) {
      const [theirs, unknown] = [await post('blog', bodyOf(MASK)), await post('blog', bodyOf(UNKNOWN))];
      expect([theirs.status, theirs.body.code, theirs.body.errors.map((error) => error.path)]).toEqual([
        404,
        'not_found',
        [path],
      ]);
      expect(theirs.body.detail).toMatch(/send the picture itself, or name one by its mediaId or its url$/);
      expect(wordsOf(unknown.body, UNKNOWN)).toBe(wordsOf(theirs.body, MASK));
    }
  });

  it.each([
    ['of a master', async (easel: Easel) => (await upload(easel)).sha256],
    [
      'of an input whose last picture was deleted',
      async (easel: Easel) => {
        await upload(easel);
        expect(await remove(easel, 'x')).toBe(204);
        return LOGO;
      },
    ],
  ])('%s is a 404', async (_, hash) => {
    await using easel = await startEasel();
    const { status, body } = await easel.post({ prompt, inputs: [{ sha256: await hash(easel) }] });
    expect([status, body.code, body.errors.map(({ path }) => path)]).toEqual([404, 'not_found', ['inputs.0']]);
  });

  it.each(['F'.repeat(64), 'abc', `${'a'.repeat(64)}\n`, 7])('of %j is a 400', async (sha256) => {
    await using easel = await startEasel();
    const { status, body } = await easel.post({ prompt, inputs: [{ sha256 }] });
    expect([status, body.errors.map(({ path }) => path)]).toEqual([400, ['inputs.0.sha256']]);
  });

  it('is not what a preset brings, which no record shows as an input', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ mediaId: 'x', prompt, preset: 'icon' });
    expect(body.request).not.toHaveProperty('inputs');
    expect(body.request).not.toHaveProperty('references');
  });

  it.each(['SQLite', 'PostgreSQL'])(
    'is there, or the request is refused, where its last picture is deleted at the same time, in %s',
    async (kind) => {
      const database = kind === 'SQLite' ? null : await createTestDatabase();
      if (database) onTestFinished(() => database.drop());
      const stores = database === null ? {} : { DATABASE_URL: database.url, MEDIA_SHARED: 'true' };
      await using easel = await startEasel({ env: { PROVIDERS: 'placeholder', IMAGE_SIZE: '64x64', ...stores } });
      for (let round = 0; round < 6; round += 1) {
        await upload(easel, 'x');
        const [deleted, made] = await Promise.all([
          remove(easel, 'x'),
          easel.post({ mediaId: 'y', prompt, inputs: [{ sha256: LOGO }] }),
        ]);
        expect(deleted).toBe(204);
        expect([201, 404]).toContain(made.status);
        expect(await inputFiles(easel)).toEqual(made.status === 201 ? names(logo) : []);
        if (made.status === 201) expect(await remove(easel, 'y')).toBe(204);
        expect(await inputFiles(easel)).toEqual([]);
      }
    },
  );
});
