import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startService } from './support/app/process.ts';
import { openAiError } from './support/openai/answers.ts';
import { startOpenAiServer } from './support/openai/server.ts';
import { temporaryFolder } from './support/temporary-folder.ts';
import { post } from './torture/life.ts';

describe('the log of the process', () => {
  it('writes lines for people on a terminal, with secrets masked, and does not load what formats them elsewhere', async () => {
    await using folder = await temporaryFolder();
    const env = { API_KEYS: 'blog:hunter22/!:read', PROVIDERS: 'placeholder' };
    const preload = new URL('./support/terminal-output.ts', import.meta.url);
    await using service = await startService({ folder: folder.path, env, preload });
    await fetch(`${service.url}/hunter22/!`);
    service.child.kill('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(service.stdout()).toMatch(/^\[[\d:]+\] INFO: Easel \S+ listens on http:\/\/\S+\n {4}version: "/);
    expect(service.stdout()).toMatch(/INFO: request \{.*\/\[secret\]/);
    expect(service.stdout()).toMatch(/INFO: stopped\n$/);
    expect(service.stdout()).not.toContain('hunter22');

    const loaded = join(folder.path, 'loaded');
    await using piped = await startService({
      folder: folder.path,
      env: { ...env, LOADED_MODULES: loaded },
      preload: new URL('./support/loaded-modules.ts', import.meta.url),
    });
    expect(JSON.parse(piped.stdout().split('\n')[0] ?? '')).toMatchObject({ apiKeys: 1, anonymousAccess: false });
    expect(await readFile(loaded, 'utf8')).not.toContain('pino-pretty');
  });

  it('writes no secret into its log, whatever a line is made from, and none that it made itself', async () => {
    await using folder = await temporaryFolder();
    const env = { API_KEYS: 'blog:hunter22/!:generate+read', PROVIDERS: 'placeholder', MEDIA_ACCESS: 'private' };
    await using service = await startService({ folder: folder.path, env });
    const made = await readFile(join(folder.path, 'media-url-secret'), 'utf8');
    for (const path of ['hunter22/!', 'hunter22%2f%21', made]) await fetch(`${service.url}/${path}`);
    service.child.kill('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(service.stdout().split('/[secret]')).toHaveLength(4);
    expect(service.stdout()).not.toMatch(/hunter22/);
    expect(service.stdout()).not.toContain(made);
    for (const line of service.stdout().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
  });

  it('logs one line per request and per image, and no prompt or key', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    upstream.script(openAiError('moderation_blocked'));
    await using service = await startService({
      folder: folder.path,
      env: { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl },
    });
    const prompt = 'a very secret lighthouse';
    await post(service.url, { mediaId: 'x', prompt }, { authorization: 'Bearer my-own-key' });
    await post(service.url, { mediaId: 'y', prompt });
    service.child.kill('SIGTERM');
    await service.exited;
    const lines = service
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    // A busy machine answers 429 first, and the request is sent again.
    const requests = lines.filter(({ msg, status }) => msg === 'request' && status !== 429);
    expect(requests.map(({ method, status }) => [method, status])).toEqual([
      ['POST', 422],
      ['POST', 201],
    ]);
    expect(lines.filter(({ msg }) => msg === 'image succeeded')).toMatchObject([
      { mediaId: 'y', attempts: 1, durationMs: expect.any(Number) },
    ]);
    expect(lines.filter(({ msg }) => msg === 'image failed')).toMatchObject([
      { mediaId: 'x', code: 'prompt_rejected' },
    ]);
    for (const secret of ['secret lighthouse', 'my-own-key', upstream.key ?? ''])
      expect(service.stdout()).not.toContain(secret);
  });
});
