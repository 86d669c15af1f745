import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../../src/config/config.ts';
import { settings } from '../../../src/config/settings.ts';

const OPENAI_BASE_URL = 'http://127.0.0.1:8080/v1';
const meant = (name: string) => expect.stringMatching(new RegExp(`is not a setting; is ${name} meant\\?$`));

describe('warnings of settings', () => {
  it.each([
    ['IMAGE_MODLE', 'IMAGE_MODEL'],
    ['CONCURENCY', 'CONCURRENCY'],
    ['concurrency', 'CONCURRENCY'],
    ['OPENAI_APIKEY', 'OPENAI_API_KEY'],
    ['PROT', 'PORT'],
    ['API_KEY', 'API_KEYS'],
    ['GENERATION_TIMOUT_SECOND', 'GENERATION_TIMEOUT_SECONDS'],
    ['OTEL_EXPORTER_OLTP_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    ['PROVIDER_AZURE_BASEURL', 'PROVIDER_AZURE_BASE_URL'],
    ['PROVIDER_AZURE_EU_APIKEY', 'PROVIDER_AZURE_EU_API_KEY'],
    ['PROVIDRE_PLACEHOLDER_MODEL', 'PROVIDER_PLACEHOLDER_MODEL'],
  ])('name %s as a misspelling of %s', (name, nearest) => {
    expect(readConfig({ [name]: 'hunter2' }).warnings).toEqual([meant(nearest)]);
  });

  it('find each setting with two letters swapped, one missing, one doubled', () => {
    for (const name of Object.keys(settings).filter((setting) => !setting.startsWith('RATE_LIMIT'))) {
      const [a = '', b = ''] = name;
      for (const slip of [b + a + name.slice(2), name.slice(0, -1), a + name]) {
        expect(readConfig({ [slip]: 'x' }).warnings, slip).toEqual(slip in settings ? [] : [meant(name)]);
      }
    }
  });

  it('name variables of providers that PROVIDERS leaves out, and those that no provider has', () => {
    expect(readConfig({ PROVIDER_AZURE_EU_MODEL: 'x', PROVIDER_BACKUP_COLOUR: 'x' }).warnings).toEqual([
      'PROVIDER_AZURE_EU_MODEL is not used: PROVIDERS does not name azure-eu',
      expect.stringMatching(/^PROVIDER_BACKUP_COLOUR is not a setting; settings of a provider end in BASE_URL, /),
    ]);
  });

  it.each([
    [
      'of a shell',
      ['PATH', 'HOME', 'HOSTNAME', 'HOSTTYPE', 'PWD', 'USER', 'SHELL', 'TERM', 'LANG', 'EDITOR', 'PROMPT'],
    ],
    [
      'of npm',
      ['npm_config_user_agent', 'npm_lifecycle_event', 'npm_package_name', 'INIT_CWD', 'NODE', 'NODE_OPTIONS'],
    ],
    [
      'of the OpenAI SDK',
      ['OPENAI_ORG_ID', 'OPENAI_PROJECT_ID', 'OPENAI_ADMIN_KEY', 'OPENAI_WEBHOOK_SECRET', 'OPENAI_LOG'],
    ],
    ['of the client', ['EASEL_URL', 'EASEL_API_KEY']],
    ['of AWS', ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE']],
    [
      'of OpenTelemetry',
      [
        'OTEL_SERVICE_NAME',
        'OTEL_EXPORTER_OTLP_HEADERS',
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
        'OTEL_EXPORTER_OTLP_TIMEOUT',
      ],
    ],
    ['of Kubernetes', ['KUBERNETES_PORT', 'KUBERNETES_SERVICE_HOST', 'EASEL_PORT', 'EASEL_SERVICE_HOST']],
    [
      'of other services',
      ['PGHOST', 'REDIS_URL', 'GEMINI_API_KEY', 'ANTHROPIC_API_KEY', 'HTTPS_PROXY', 'TZ', 'UV_THREADPOOL_SIZE'],
    ],
  ])('leave variables %s alone', (_owner, names) => {
    expect(readConfig(Object.fromEntries(names.map((name) => [name, 'x']))).warnings).toEqual([]);
  });

  it.each([
    [{ OPENAI_BASE_URL }, true],
    [{ OPENAI_BASE_URL, PROVIDERS: 'placeholder' }, true],
    [{ OPENAI_BASE_URL, PROVIDERS: 'openai' }, false],
    [{ OPENAI_BASE_URL, OPENAI_API_KEY: 'sk-x' }, false],
    [{}, false],
  ])('say whether OPENAI_BASE_URL is used: %j', (env, unused) => {
    const warning = expect.stringMatching(/^OPENAI_BASE_URL is not used/);
    expect(readConfig(env).warnings).toEqual(unused ? [warning] : []);
  });
});

it('stand in the message of a refused start too, where no issue names the variable', () => {
  const start = () =>
    readConfig({ HOST: '0.0.0.0', API_KEYZ: 'x', PROVIDERS: 'placeholder', PROVIDER_PLACEHOLDER_MODLE: 'x' });
  expect(start).toThrow(ConfigError);
  expect(start).toThrow(
    /^the configuration has 2 issues:\n {2}HOST: .*\n.*\n {2}API_KEYZ is not a setting; is API_KEYS meant\?$/,
  );
});
