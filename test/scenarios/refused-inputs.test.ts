import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/domain/file-names.ts';
import type { CreateImage } from '../../src/core/domain/request.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { BLOG, part, refusal, SHOP, submit } from '../support/app/inputs.ts';
import { type FileServer, redirectTo, startFileServer } from '../support/network/file-server.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { animatedWebp, hugePng, texturedPicture, truncated } from '../support/pictures.ts';
import { until } from '../support/until.ts';

// Through the use cases: how inputs come in by HTTP is tested with the routes.

const SIZE = { width: 96, height: 64 };

let logo: Buffer;
let chair: Buffer;
let mask: Buffer;
let files: FileServer;
let internal: FileServer;

beforeAll(async () => {
  logo = await texturedPicture({ ...SIZE, seed: 'logo' });
  chair = await texturedPicture({ ...SIZE, seed: 'chair', format: 'jpeg' });
  mask = await texturedPicture({ ...SIZE, seed: 'mask', transparent: true });
  files = await startFileServer();
  internal = await startFileServer();
});
afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await internal[Symbol.asyncDispose]();
});

describe('a request is refused whole, and nothing of it is stored or paid,', () => {
  let easel: Easel;
  beforeAll(async () => {
    easel = await startEasel({
      env: {
        FETCH_ALLOW_HOSTS: files.host,
        IMAGE_RENDITIONS: '',
        PROVIDERS: 'openai,plain',
        PROVIDER_PLAIN_BASE_URL: 'http://127.0.0.1:9/v1',
        PROVIDER_PLAIN_EDITS: 'false',
      },
    });
    internal.serve('/logo.png', logo);
    await submit(easel, { mediaId: 'of-shop', inputs: [part(chair)] }, SHOP);
    easel.upstream.script(openAiError('moderation_blocked'));
    await submit(easel, { mediaId: 'failed' }, SHOP);
  });
  afterAll(() => easel[Symbol.asyncDispose]());

  const many = (count: number) => Array.from({ length: count }, () => part(logo));
  const large = () => Buffer.concat([logo, Buffer.alloc(51_000_000)]);

  it.each<[string, string, string, () => CreateImage | Promise<CreateImage>]>([
    ['17 inputs', 'unsupported_parameter', 'inputs', () => ({ inputs: many(17) })],
    ['a provider that cannot edit', 'unsupported_parameter', 'inputs', () => ({ inputs: many(1), provider: 'plain' })],
    ['an input of 51 MB', 'payload_too_large', 'inputs.1', () => ({ inputs: [part(logo), part(large())] })],
    ['a mask of 5 MB', 'payload_too_large', 'mask', () => ({ inputs: many(1), mask: part(large().subarray(0, 5e6)) })],
    ['51 MB behind a URL', 'payload_too_large', 'inputs.0', () => ({ inputs: [{ url: files.serve('/51', large()) }] })],
    ['an SVG', 'invalid_request', 'inputs.0', () => ({ inputs: [part(Buffer.from('<svg width="9" height="9"/>'))] })],
    ['a bomb', 'invalid_request', 'inputs.2', () => ({ inputs: [...many(2), part(hugePng())] })],
    ['a broken picture', 'invalid_request', 'inputs.1', () => ({ inputs: [part(logo), part(truncated(chair))] })],
    ['an animation', 'invalid_request', 'inputs.0', async () => ({ inputs: [part(await animatedWebp(SIZE))] })],
    ['nothing in an input', 'invalid_request', 'inputs.0', () => ({ inputs: [part(Buffer.alloc(0))] })],
    ['a mask without alpha', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(logo) })],
    ['a mask that is a jpeg', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(chair) })],
    ['a mask of another size', 'invalid_request', 'mask', async () => ({ inputs: many(1), mask: part(await tall()) })],
    ['a broken mask', 'invalid_request', 'mask', () => ({ inputs: many(1), mask: part(truncated(mask)) })],
    ['a mask without inputs', 'invalid_request', 'mask', () => ({ mask: part(mask) })],
    ['an unknown image', 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'unknown' }] })],
    ["another key's image", 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'of-shop' }] })],
    ["another key's failed image", 'not_found', 'inputs.0', () => ({ inputs: [{ mediaId: 'failed' }] })],
    ["another key's input", 'not_found', 'inputs.0', () => ({ inputs: [{ sha256: sha256(chair) }] })],
    ['a content that is no input', 'not_found', 'mask', () => ({ inputs: many(1), mask: { sha256: sha256(mask) } })],
    ['a private address', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: `${internal.origin}/logo.png` }] })],
    ['a redirect to one', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: toInternal() }] })],
    ['a URL that gives HTML', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: files.serve('/p', HTML) }] })],
    ['a URL that gives nothing', 'invalid_request', 'inputs.0', () => ({ inputs: [{ url: `${files.origin}/none` }] })],
  ])('for %s', async (_, code, path, make) => {
    expect(await refusal(easel, { mediaId: 'x', ...(await make()) }, BLOG)).toMatchObject({ code, paths: [{ path }] });
    expect(internal.asked).toEqual([]);
  });

  it('for an image that failed, and one that is at work', async () => {
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    const working = submit(easel, { mediaId: 'working' }, BLOG);
    await until(async () => (await easel.record('working')).status === 'generating');
    const conflict = { code: 'media_id_conflict', paths: [{ path: 'inputs.0' }] };
    expect(await refusal(easel, { inputs: [{ mediaId: 'working' }] }, BLOG)).toMatchObject(conflict);
    expect(await refusal(easel, { inputs: [{ mediaId: 'failed' }] }, SHOP)).toMatchObject(conflict);
    gate.open();
    await working;
    const { image } = await submit(easel, { inputs: [{ mediaId: 'working' }] }, BLOG);
    expect(image.request.inputs).toMatchObject([{ width: 1024, height: 640, source: { mediaId: 'working' } }]);
  });

  it('names unknown and forbidden images alike', async () => {
    const [unknown, forbidden] = await Promise.all(
      ['nothing', 'of-shop'].map(async (mediaId) => {
        const { message } = await refusal(easel, { inputs: [{ mediaId }] }, BLOG);
        return message.replace(mediaId, 'ID');
      }),
    );
    expect(forbidden).toBe(unknown);
  });
});

const HTML = Buffer.from('<!doctype html><title>A page about a logo</title>');
const tall = () => texturedPicture({ width: SIZE.height, height: SIZE.width, transparent: true });
const toInternal = () => files.serve('/r', redirectTo(`${internal.origin}/logo.png`));
