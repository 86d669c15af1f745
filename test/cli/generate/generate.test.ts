/** `easel generate` pays for its own picture alone, and for that once. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { ImageRecord } from '../../../src/core/domain/record.ts';
import { startProcess, startService } from '../../support/app/process.ts';
import { brokenAnswer, openAiError, picture } from '../../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../../support/openai/server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { readDatabase } from '../../torture/audit.ts';
import { post, startLife } from '../../torture/life.ts';
import { callEasel } from '../call-easel.ts';
import { EASEL, runEasel } from '../run-easel.ts';

/** A model with a price, at its smallest size. */
const PRICED = ['--model', 'gpt-image-2', '--size', '1024x1024', '--quality', 'low', '--rendition', '64x64.png'];

/** A call for a picture, waiting at the gate. */
async function waitingCall(folder: string, upstream: OpenAiServer) {
  upstream.strict = false;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  const run = generate(folder, upstream, 'x', '--media-id', 'x', ...PRICED);
  await gate.reached();
  return { run, gate };
}

function generate(folder: string, upstream: OpenAiServer, ...args: readonly string[]) {
  return startProcess({
    folder,
    command: [process.execPath, EASEL, 'generate', ...args],
    env: {
      OPENAI_API_KEY: upstream.key ?? 'none',
      OPENAI_BASE_URL: upstream.baseUrl,
      IMAGE_MODEL: 'small',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '64x64.webp,32x32.png',
      AMBIGUOUS_RETRIES: '0',
    },
  });
}

const imagesIn = (folder: string) =>
  new Map(readDatabase(folder).images.map((image) => [image.mediaId, image.status] as const));

it('takes up no work that a service has left, unless it is asked for that very picture', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  {
    await using service = await startLife({ folder: folder.path, upstream, env: { CONCURRENCY: '1' } });
    const gate = upstream.gate();
    upstream.script({ ...brokenAnswer('empty data'), delivery: { beforeHeaders: gate } });
    for (const mediaId of ['called', 'left', 'wanted'])
      await post(service.url, { mediaId, prompt: mediaId }, { prefer: 'respond-async' });
    await gate.reached();
    service.child.kill('SIGTERM');
    await until(() => Promise.resolve(service.stdout().includes('waiting for 1 paid call')));
    gate.open();
    expect(await service.exited).toBe(0);
  }
  for (const mediaId of ['own', 'wanted']) {
    await using run = generate(folder.path, upstream, mediaId, '--media-id', mediaId);
    expect(await run.exited, run.stderr()).toBe(0);
  }
  expect(imagesIn(folder.path).get('left')).toBe('queued');
  expect(upstream.calls.map(({ body }) => body.prompt)).toEqual(['called', 'own', 'wanted']);
});

it('waits for its paid call after Ctrl-C, says so and what was paid, and keeps the picture', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const { run, gate } = await waitingCall(folder.path, upstream);
  await using _run = run;
  run.child.kill('SIGINT');
  await until(() => Promise.resolve(run.stderr().includes('waiting for a paid call to end')));
  gate.open();
  expect(await run.exited).toBe(130);
  expect([run.stdout(), run.stderr()]).toEqual(['', expect.stringMatching(/\ninterrupted: \$[\d.]+ was paid\n$/)]);
  expect(readDatabase(folder.path).images).toMatchObject([{ attempts: [{ outcome: 'ok' }] }]);

  await using again = generate(folder.path, upstream, 'x', '--media-id', 'x', ...PRICED);
  expect(await again.exited).toBe(0);
  expect(upstream.calls).toHaveLength(1);
});

it('says of an earlier failure that nothing was called, and what runs it again', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  upstream.always(brokenAnswer('empty data'));
  await using run = generate(folder.path, upstream, 'x', '--media-id', 'x');
  expect(await run.exited).toBe(1);
  expect(run.stderr()).not.toMatch(/nothing was called/);

  await using again = generate(folder.path, upstream, 'x', '--media-id', 'x');
  expect(await again.exited).toBe(1);
  expect(again.stderr()).toMatch(/nothing was called now: easel retry x/);
  expect(upstream.calls).toHaveLength(1);
});

it('ends at once at a second Ctrl-C, and says what was paid at most', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const { run, gate } = await waitingCall(folder.path, upstream);
  await using _run = run;
  run.child.kill('SIGINT');
  await until(() => Promise.resolve(run.stderr().includes('waiting for a paid call to end')));
  // A repeat within a second is the same order: only a later one ends the process.
  await until(() => Promise.resolve(run.stderr().includes('interrupted: ') || !run.child.kill('SIGINT')));
  expect(run.stderr()).toMatch(/\ninterrupted: at most \$[\d.]+ was paid\n$/);
  await run.exited;
  expect(readDatabase(folder.path).images).toMatchObject([{ attempts: [{ outcome: 'unknown' }] }]);
  gate.open();
});

it('says after Ctrl-C that nothing was paid where no call was sent', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  upstream.always(openAiError('rate_limit_exceeded', { headers: { 'retry-after': '300' } }));
  await using run = generate(folder.path, upstream, 'x', '--media-id', 'x');
  await upstream.received(1);
  await until(() => Promise.resolve(readDatabase(folder.path).images[0]?.attempts[0]?.outcome === 'failed'));
  run.child.kill('SIGINT');
  expect(await run.exited).toBe(130);
  expect(run.stderr()).toMatch(/interrupted: nothing was paid\n$/);
});

it('prints for people where the picture is, its size, its cost and its mediaId; with --json the record of the HTTP answer', async () => {
  await using folder = await temporaryFolder();
  const made = await runEasel(folder.path, ['generate', 'a', 'tower', '--size', '64x48', '--media-id', 'hero']);
  expect(made.stdout.split('\n')).toEqual([
    expect.stringMatching(/^path {5}.*media\/hero\.png$/),
    expect.stringMatching(/^size {5}64x48 png, \d+ kB$/),
    'cost     nothing',
    'mediaId  hero',
    '',
  ]);
  expect([made.code, made.stderr.includes('\x1b')]).toEqual([0, false]);

  const again = await runEasel(folder.path, ['generate', 'a tower', '--size', '64x48', '--media-id', 'hero', '--json']);
  await using service = await startService({ folder: folder.path });
  expect(JSON.parse(again.stdout)).toEqual(await (await fetch(`${service.url}/images/hero`)).json());

  const busy = await runEasel(folder.path, ['generate', 'x', '--json']);
  expect(busy.code).toBe(1);
  expect(busy.stderr.trim().split('\n')).toEqual([expect.stringMatching(/another Easel process .* stop it first/)]);
  expect(JSON.parse(busy.stdout)).toMatchObject({ code: 'storage_unavailable' });
});

it('takes every option of a request, as POST /images does', async () => {
  await using folder = await temporaryFolder();
  const options = [
    '--preset',
    'icon',
    '--size',
    '64x64',
    '--quality',
    'low',
    '--style',
    'flat',
    '--background',
    'opaque',
  ];
  const lists = ['--rendition', '32x32.webp', '--rendition', '16x16.png', '--label', 'a', '--label', 'b'];
  const rest = ['--metadata', 'k=v=w', '--ttl-seconds', '3600', '--provider', 'placeholder', '--format', 'jpeg'];
  const run = await callEasel(folder.path, ['generate', 'x', ...options, ...lists, ...rest, '--json']);
  const record = JSON.parse(run.stdout) as ImageRecord;
  expect(record).toMatchObject({
    preset: 'icon@1',
    width: 64,
    format: 'jpeg',
    labels: ['a', 'b'],
    metadata: { k: 'v=w' },
  });
  expect(record.renditions.map(({ url }) => url.split('@')[1])).toEqual(['32x32.webp', '16x16.png']);
  expect(Date.parse(record.expiresAt ?? '') - Date.parse(record.createdAt)).toBe(3_600_000);
});

it('writes the master to --out, in the format of its ending, and leaves nothing beside it', async () => {
  await using folder = await temporaryFolder();
  await using place = await temporaryFolder();
  const out = (name: string) => join(place.path, name);
  const run = await callEasel(folder.path, ['generate', 'x', '--size', '64x48', '--out', out('b.JPG')]);
  expect([run.code, run.stdout]).toEqual([0, expect.stringContaining(`path     ${out('b.JPG')}\n`)]);
  expect(await sharp(out('b.JPG')).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 48 });
  expect(await readdir(place.path)).toEqual(['b.JPG']);

  const piped = await runEasel(folder.path, [
    'generate',
    'x',
    '--size',
    '64x48',
    '--media-id',
    'x',
    '--out',
    '-',
    '--format',
    'webp',
  ]);
  expect([piped.code, piped.stdout.slice(0, 4), piped.stderr]).toEqual([
    0,
    'RIFF',
    expect.stringContaining('mediaId  x'),
  ]);
});

it.each([
  ['--size', ['--size', 'large'], /^--size: must be WIDTHxHEIGHT/],
  ['--rendition', ['--rendition', '9x9.png'], /^--rendition: each side must be 16 to 4096 pixels/],
  [
    '--quality',
    ['--quality', 'best'],
    /'--quality <quality>' argument 'best' is invalid\. Allowed choices are auto, low/,
  ],
  ['--media-id', ['--media-id', 'A'], /^--media-id: must be 1 to 128 of a-z/],
  ['--metadata', ['--metadata', 'k'], /^--metadata: must be KEY=VALUE/],
  ['--ttl-seconds', ['--ttl-seconds', '1h'], /^--ttl-seconds: must be a whole number of seconds/],
  ['--preset', ['--preset', 'poster'], /poster.*--preset: one of article-hero/],
  ['--model', ['--model', 'nope'], /^placeholder has no model nope \(--model: choose a model from the catalog/],
  ['an unknown ending of --out', ['--out', 'a.gif'], /^--out: a\.gif must end in \.png, \.jpeg, \.jpg or \.webp/],
  ['another --format', ['--out', 'a.png', '--format', 'webp'], /^--format: is webp, and a\.png ends as png/],
  ['--json beside the picture', ['--out', '-', '--json'], /^--json: cannot come with --out -/],
] as const)('%s: wrong use is named, exits with 2 and makes nothing', async (_name, args, message) => {
  await using folder = await temporaryFolder();
  const run = await callEasel(folder.path, ['generate', 'x', ...args]);
  expect([run.code, run.stdout]).toEqual([2, '']);
  expect(run.stderr).toMatch(message);
  expect(await readdir(join(folder.path, 'media')).catch(() => [])).not.toContainEqual(expect.stringContaining('.png'));
});

it('makes nothing where --out cannot be written, and says so before anything is paid', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const run = generate(folder.path, upstream, 'x', '--out', join(folder.path, 'missing', 'a.png'));
  expect(await run.exited).toBe(1);
  expect(run.stderr()).toMatch(/^--out: .*missing\/a\.png cannot be written: no such file or directory \(ENOENT\)$/m);
  expect(upstream.calls).toHaveLength(0);
});

it('keeps a picture that standard output does not take, and names what fetches it', async () => {
  await using folder = await temporaryFolder();
  const easel = `"${process.execPath}" "${EASEL}" generate x --size 64x48 --media-id full --out -`;
  await using run = startProcess({ folder: folder.path, command: ['sh', '-c', `${easel} > /dev/full`] });
  expect(await run.exited).toBe(1);
  expect(run.stderr()).toMatch(
    /^the picture is made .* standard output .* no space left on device \(ENOSPC\); easel get full --out FILE fetches it$/m,
  );
});

it('with --json writes the problem to standard output and a sentence to standard error', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  upstream.always(openAiError('moderation_blocked'));
  await using refused = generate(folder.path, upstream, 'x', '--json', '--out', join(folder.path, 'x.png'));
  expect(await refused.exited).toBe(1);
  expect(JSON.parse(refused.stdout())).toMatchObject({
    status: 422,
    code: 'prompt_rejected',
    mediaId: expect.any(String),
  });
  expect(refused.stderr()).toMatch(/\(prompt_rejected\)$/m);
  expect(await readdir(folder.path)).not.toContainEqual(expect.stringContaining('x.png'));

  await using wrong = generate(folder.path, upstream, 'x', '--size', 'large', '--json');
  expect(await wrong.exited).toBe(2);
  expect(JSON.parse(wrong.stdout())).toMatchObject({ code: 'invalid_request', errors: [{ path: 'size' }] });
});
