import { describe, expect, it } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';
import { openAiError } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { eventually } from '../../support/until.ts';

const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);

/** Starts Easel with a server that announces this date for gpt-image-2, and waits until it has asked for the date. */
async function startAnnounced(date: string) {
  const upstream = await startOpenAiServer();
  const model = upstream.models.get('gpt-image-2');
  if (model) model.shutdownDate = date;
  const easel = await startEasel({ env: { OPENAI_BASE_URL: upstream.baseUrl } });
  await upstream.until(() => upstream.otherCalls.some(({ ending }) => ending === 'answered'));
  return {
    easel,
    upstream,
    async [Symbol.asyncDispose]() {
      await easel[Symbol.asyncDispose]();
      await upstream.close();
    },
  };
}

describe('a model in use that will be shut down', () => {
  it('degrades health and appears in log and metrics on the date its provider announces, and is refused from then on', async () => {
    const date = inDays(29);
    await using running = await startAnnounced(date);
    const { easel } = running;
    const sentence = `gpt-image-2 will be shut down on ${date}; choose another model`;
    await eventually(() => expect(easel.log.filter((line) => line.includes(sentence))).toHaveLength(1));
    expect(await easel.services.checks.providers()).toEqual({ status: 'degraded', detail: `openai ok; ${sentence}` });
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toContain(`easel_model_shutdown_timestamp_seconds{model="gpt-image-2"} ${Date.parse(date) / 1000}`);
    expect((await easel.post({ prompt: 'a lighthouse' })).status).toBe(201);
    easel.clock.advance(30 * DAY_MS);
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([422, 'unsupported_parameter']);
    expect(body.detail).toContain(`was shut down on ${date}`);
  });

  it('degrades health only within 30 days of its date', async () => {
    await using running = await startAnnounced(inDays(40));
    const { easel } = running;
    await eventually(async () =>
      expect(await (await easel.get('/metrics')).text()).toContain('easel_model_shutdown_timestamp_seconds{'),
    );
    expect(await easel.services.checks.providers()).toEqual({ status: 'ok', detail: 'openai ok' });
    easel.clock.advance(11 * DAY_MS);
    expect((await easel.services.checks.providers()).status).toBe('degraded');
  });

  it('is dated by the catalog where the list of models cannot be read', async () => {
    const upstream = await startOpenAiServer();
    upstream.scriptModels(openAiError('server_error'));
    await using easel = await startEasel({
      env: { IMAGE_MODEL: 'gpt-image-1.5', OPENAI_BASE_URL: upstream.baseUrl },
    });
    await eventually(() => expect(easel.log.join()).toContain('the list of models could not be read'));
    expect((await easel.services.checks.providers()).detail).toMatch(
      /gpt-image-1\.5 (will be|was) shut down on 2026-12-01; use gpt-image-2/,
    );
    await upstream.close();
  });

  it('is named by its own id where a provider serves it in place of the default model', async () => {
    await using backup = await startOpenAiServer();
    const model = backup.models.get('gpt-image-1.5');
    if (model) model.shutdownDate = inDays(10);
    await using easel = await startEasel({
      env: {
        PROVIDERS: 'openai,backup',
        PROVIDER_BACKUP_BASE_URL: backup.baseUrl,
        PROVIDER_BACKUP_API_KEY: backup.key ?? '',
        PROVIDER_BACKUP_MODEL: 'gpt-image-1.5',
      },
    });
    const sentence = `gpt-image-1.5 will be shut down on ${inDays(10)}`;
    await eventually(() => expect(easel.log.join()).toContain(sentence));
    expect(easel.log.join()).not.toContain('gpt-image-2 will be');
  });

  it('is named as requested where the placeholder stands in for it', async () => {
    await using easel = await startEasel({ env: { PROVIDERS: 'placeholder', IMAGE_MODEL: 'gpt-image-1.5' } });
    expect((await easel.services.checks.providers()).detail).toMatch(
      /gpt-image-1\.5 (will be|was) shut down on 2026-12-01; use gpt-image-2/,
    );
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toContain('easel_model_shutdown_timestamp_seconds{model="gpt-image-1.5"}');
    expect(easel.log.join()).not.toMatch(/placeholder (will be|was) shut down/);
  });

  it('is not looked up with the placeholder', async () => {
    await using easel = await startEasel({ env: { PROVIDERS: 'placeholder' } });
    await easel.post({ prompt: 'a lighthouse' });
    expect(easel.upstream.otherCalls).toHaveLength(0);
  });
});

describe('a retired model', () => {
  it('is refused with the name of its successor, or served by the model that an alias maps it to', async () => {
    const body = { prompt: 'a lighthouse', model: 'dall-e-3' };
    await using strict = await startEasel();
    const refused = await strict.post(body);
    expect([refused.status, refused.body.code]).toEqual([422, 'unsupported_parameter']);
    expect(refused.body.detail).toBe('dall-e-3 was shut down on 2026-05-12; use gpt-image-2');

    await using mapped = await startEasel({ env: { MODEL_ALIASES: 'dall-e-3=gpt-image-2' } });
    const { status, body: record } = await mapped.post(body);
    expect([status, record.model, record.warnings.map(({ code }) => code)]).toEqual([
      201,
      'gpt-image-2',
      ['model_mapped'],
    ]);
    expect(mapped.upstream.calls[0]?.body).toMatchObject({ model: 'gpt-image-2' });
  });
});
