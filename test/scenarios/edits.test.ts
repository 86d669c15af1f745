import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/domain/image.ts';
import { ANONYMOUS, type CreateImage } from '../../src/core/domain/request.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { colouredInput, type StoredInput } from '../support/edit-inputs.ts';
import { hang } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';

let logo: StoredInput;
let mask: StoredInput;

beforeAll(async () => {
  logo = await colouredInput({ r: 200, g: 40, b: 40 });
  mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
});

const fileOf = ({ bytes }: StoredInput, file = 'image') => ({ file, bytes: Uint8Array.from(bytes) });

/** Submits the request, and gives the image at its end. */
async function make({ services }: Easel, request: CreateImage): Promise<Image> {
  const { image } = await services.images.submit(request, ANONYMOUS, null);
  return await endOf({ services }, image.mediaId);
}

async function endOf({ services }: Pick<Easel, 'services'>, mediaId: string): Promise<Image> {
  const ended = await services.images.waitUntilFinished(mediaId, LONGEST_WAIT_MS, new AbortController().signal);
  if (ended === null) throw new Error(`${mediaId} is gone`);
  return ended;
}

/** The SHA-256 of the pictures of each edit that the model API has received, by the name of their field. */
const editsAt = ({ calls }: OpenAiServer) =>
  calls
    .filter(({ operation }) => operation === 'edits')
    .map(({ files }) => files.map(({ field, sha256 }) => `${field} ${sha256}`).toSorted());
const logoAndMask = () => [`image ${logo.input.sha256}`, `mask ${mask.input.sha256}`];

const EDIT = (): CreateImage => ({ mediaId: 'edited', prompt: 'at dusk', inputs: [fileOf(logo)], mask: fileOf(mask) });

describe('an edit', () => {
  it('starts from a picture of this service and one that was brought, which its files and its provenance name', async () => {
    await using easel = await startEasel();
    const hero = await make(easel, { mediaId: 'hero', prompt: 'a lighthouse' });
    const request = { mediaId: 'edited', prompt: 'at dusk', inputs: [{ mediaId: 'hero' }, fileOf(logo)] };
    const image = await make(easel, request);
    expect(image).toMatchObject({ status: 'succeeded', cost: { basis: 'usage' } });
    const master = hero.master?.sha256;
    expect(editsAt(easel.upstream)).toEqual([[`image[] ${master}`, `image[] ${logo.input.sha256}`].toSorted()]);

    const answer = await easel.get('/images/edited/provenance');
    expect(await answer.json()).toMatchObject({
      inputs: [
        { role: 'input', sha256: master, mediaId: 'hero', url: null },
        { role: 'input', sha256: logo.input.sha256, mediaId: null, url: null, width: 64, height: 48 },
      ],
    });
    const rendition = await readFile(join(easel.folder, 'media', image.renditions[0]?.name ?? ''));
    const { xmp } = await sharp(rendition).metadata();
    expect(String(xmp)).toContain(
      `<stRef:documentID>sha256:${master}</stRef:documentID><stRef:filePath>hero</stRef:filePath>`,
    );
    expect(String(xmp)).toContain(`<stRef:documentID>sha256:${logo.input.sha256}</stRef:documentID></rdf:li>`);

    await make(easel, request);
    expect(editsAt(easel.upstream)).toHaveLength(1);
  });

  it('goes on after a crash with the same pictures', async () => {
    await using easel = await startEasel();
    easel.upstream.script(hang());
    await easel.services.images.submit(EDIT(), ANONYMOUS, null);
    await easel.upstream.received(1);
    await using left = await easel.leftByCrash();
    await using next = await startEasel({ folder: left.path, upstream: easel.upstream });
    const image = await endOf(next, 'edited');
    expect(image.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    expect(editsAt(easel.upstream)).toEqual([logoAndMask(), logoAndMask()]);
  });

  it('that is done is found again once no model can edit any more', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    {
      await using easel = await startEasel({ upstream, folder: folder.path });
      await make(easel, EDIT());
    }
    const env = { PROVIDER_OPENAI_EDITS: 'false' };
    await using easel = await startEasel({ upstream, folder: folder.path, env });
    expect(await make(easel, EDIT())).toMatchObject({ status: 'succeeded', run: 1 });
    await expect(make(easel, { ...EDIT(), mask: null })).rejects.toMatchObject({ code: 'media_id_conflict' });
    expect(upstream.calls).toHaveLength(1);
  });

  it('whose picture is lost on disk fails without a call', async () => {
    await using easel = await startEasel();
    easel.upstream.script(hang());
    await easel.services.images.submit(EDIT(), ANONYMOUS, null);
    await easel.upstream.received(1);
    await using left = await easel.leftByCrash();
    await rm(join(left.path, 'media', 'inputs', mask.input.sha256));
    await using next = await startEasel({ folder: left.path, upstream: easel.upstream });
    const image = await endOf(next, 'edited');
    expect(image).toMatchObject({
      status: 'failed',
      error: { code: 'storage_unavailable', detail: expect.stringMatching(/^the mask of edited .* missing on disk/) },
    });
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('whose picture is lost is made once the same request brings it again', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    easel.upstream.script(hang());
    await easel.services.images.submit({ mediaId: 'first', prompt: 'a lighthouse' }, ANONYMOUS, null);
    await easel.upstream.received(1);
    await easel.services.images.submit(EDIT(), ANONYMOUS, null);
    await using left = await easel.leftByCrash();
    await rm(join(left.path, 'media', 'inputs', mask.input.sha256));
    await using next = await startEasel({ folder: left.path, upstream: easel.upstream });
    expect(await endOf(next, 'edited')).toMatchObject({ status: 'failed', attempts: [] });
    expect(await make(next, EDIT())).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }] });
    expect(editsAt(easel.upstream)).toEqual([logoAndMask()]);
  });

  it('whose picture is lost after a call that may be billed is made by a retry, once the same request has brought it', async () => {
    await using easel = await startEasel();
    easel.upstream.script(hang());
    await easel.services.images.submit(EDIT(), ANONYMOUS, null);
    await easel.upstream.received(1);
    await using left = await easel.leftByCrash();
    await rm(join(left.path, 'media', 'inputs', logo.input.sha256));
    await using next = await startEasel({ folder: left.path, upstream: easel.upstream });
    await endOf(next, 'edited');
    expect(await make(next, EDIT())).toMatchObject({ status: 'failed', error: { code: 'storage_unavailable' } });
    expect(easel.upstream.calls).toHaveLength(1);
    await next.services.images.retry('edited', ANONYMOUS);
    expect(await endOf(next, 'edited')).toMatchObject({ status: 'succeeded' });
    expect(editsAt(easel.upstream)).toEqual([logoAndMask(), logoAndMask()]);
  });

  it('is painted by the placeholder without a key', async () => {
    await using easel = await startEasel({ env: { PROVIDERS: 'placeholder' } });
    const image = await make(easel, EDIT());
    expect(image).toMatchObject({ status: 'succeeded', provider: 'placeholder', cost: { usd: 0 } });
  });

  it('is refused before anything is written where the model cannot edit', async () => {
    await using easel = await startEasel({ env: { PROVIDER_OPENAI_EDITS: 'false' } });
    await expect(easel.services.images.submit(EDIT(), ANONYMOUS, null)).rejects.toMatchObject({
      code: 'unsupported_parameter',
      paths: [{ path: 'inputs' }],
    });
    expect([easel.upstream.calls, await easel.files()]).toEqual([[], []]);
  });

  it.each([
    ['by its setting', { PROVIDER_OPENAI_EDITS: 'false' }, 0],
    ['by its first refusal', {}, 1],
  ])('goes to a provider that edits where the first is known not to: %s', async (_, env, asked) => {
    await using second = await startOpenAiServer();
    await using easel = await startEasel({
      env: {
        PROVIDERS: 'openai,backup',
        PROVIDER_BACKUP_BASE_URL: second.baseUrl,
        PROVIDER_BACKUP_API_KEY: second.key ?? '',
        ...env,
      },
    });
    easel.upstream.edits = false;
    const image = await make(easel, EDIT());
    expect(image).toMatchObject({ status: 'succeeded', provider: 'backup' });
    expect(easel.upstream.calls).toHaveLength(asked);
    await make(easel, { ...EDIT(), mediaId: 'another' });
    expect(easel.upstream.calls).toHaveLength(asked);
    expect(editsAt(second)).toEqual([logoAndMask(), logoAndMask()]);
    expect((await make(easel, { mediaId: 'plain', prompt: 'a lighthouse' })).provider).toBe('openai');
  });
});
