import { pino } from 'pino';
import { createOpenAICalls } from '../../adapters/providers/openai/calls.ts';
import { createTransport, type Transport } from '../../adapters/providers/transport.ts';
import type { Config } from '../../config/config.ts';
import { ProviderError } from '../../core/domain/errors.ts';
import type { MaskSecrets } from '../../core/domain/text/outside-text.ts';
import { describeShutdown, isShutDown, shutdownTime } from '../../core/models/retirement.ts';
import { isBudgetSet } from '../../core/money/budget.ts';
import { NO_TRACING } from '../../core/ports/tracer.ts';
import { createGuardedFetch } from '../../security/ssrf-guard.ts';
import { type OpenCalls, openProviders, type Providers } from '../providers.ts';
import { REAL_WORLD } from '../world.ts';
import { clockFinding, clockOffset, type Finding, fails, ok, warning } from './finding.ts';

/** How long a provider may take to list its models, in milliseconds. */
const LIST_MS = 15_000;
/** Far more than a list of models has. */
const MAX_LIST_BYTES = 16 * 1024 * 1024;

/** What a provider answered to the question for its models. */
interface Answer {
  readonly host: string;
  error: unknown;
  /** Null where it gave no list. */
  models: readonly string[] | null;
  clockSeconds: number | null;
}

/** Asks each provider for its list of models, which costs nothing, and looks at the models in use, and at our clock by the answers. */
export async function checkProviders(config: Config): Promise<readonly Finding[]> {
  await using opened = new AsyncDisposableStack();
  const answers = new Map<string, Answer>();
  const { clock } = REAL_WORLD;
  const parts = { callLimits: null, tracer: NO_TRACING, clock, log: pino({ level: 'silent' }) };
  const openCalls = callsThatNote(answers, config.secrets.mask);
  const providers = openProviders(config, { ...parts, openCalls }, opened);
  await providers.shutdowns.refresh(AbortSignal.timeout(LIST_MS));
  const offset = [...answers.values()].find(({ clockSeconds }) => clockSeconds !== null);
  return [
    ...config.providers.map(({ name }) => providerFinding(name, answers.get(name) ?? null)),
    ...modelFindings(config, providers, answers),
    clockFinding(offset === undefined ? null : { host: offset.host, seconds: offset.clockSeconds ?? 0 }),
  ];
}

function providerFinding(name: string, answer: Answer | null): Finding {
  const subject = `provider ${name}`;
  if (answer === null) {
    return warning(subject, 'paints abstract placeholders here; set OPENAI_API_KEY to have real pictures made');
  }
  const { host, error, models } = answer;
  if (models !== null) return ok(subject, `${host} takes the key, and lists ${models.length} models`);
  if (!(error instanceof ProviderError)) return fails(subject, `${host} gave no list of models: ${messageOf(error)}`);
  const [key, url] = name === 'openai' ? ['OPENAI_API_KEY', 'OPENAI_BASE_URL'] : variablesOf(name);
  const { fault, httpStatus, message } = error;
  if (httpStatus === 401 || httpStatus === 403)
    return fails(subject, `${host} refuses the key: ${message}; correct ${key}`);
  if (fault === 'account') return fails(subject, `${message}; look after the account of ${key}`);
  if (httpStatus === 404 || httpStatus === 405) {
    return warning(subject, `${host} has no list of models, so that nothing is known of the key; is ${url} right?`);
  }
  if (fault === 'rate_limited') return warning(subject, `${message}; it takes no more calls for now`);
  return fails(subject, `${message}; is ${url} right, and is the server reached from here?`);
}

function variablesOf(name: string): readonly [key: string, url: string] {
  const prefix = `PROVIDER_${name.toUpperCase().replaceAll('-', '_')}`;
  return [`${prefix}_API_KEY`, `${prefix}_BASE_URL`];
}

/** The models that requests get which name none. */
function modelFindings(
  { defaults, budget, providers: settings }: Config,
  { providers, shutdowns }: Providers,
  answers: ReadonlyMap<string, Answer>,
): readonly Finding[] {
  const now = Date.now();
  const rows = providers.flatMap((provider) => {
    const model = provider.model(defaults.model);
    return model === null ? [] : [{ provider: provider.name, model }];
  });
  const subject = 'models';
  if (rows.length === 0) {
    return [fails(subject, `no provider has ${defaults.model}; set IMAGE_MODEL to one of "easel models"`)];
  }
  const findings: Finding[] = [];
  for (const shutdown of shutdowns.known()) {
    const detail = `${describeShutdown(shutdown, now)}: set IMAGE_MODEL, or MODEL_ALIASES where it is named there`;
    if (isShutDown(shutdown.date, now)) findings.push(fails(subject, detail));
    else if (isSoon(shutdown.date, now)) findings.push(warning(subject, detail));
  }
  for (const { provider, model } of rows) {
    const listed = answers.get(provider)?.models ?? null;
    const kind = settings.find(({ name }) => name === provider)?.kind;
    // Azure lists what could be deployed, not what is.
    if (listed !== null && listed.length > 0 && kind !== 'azure' && !listed.includes(model.id)) {
      findings.push(
        warning(subject, `${provider} does not list ${model.id}; see that the account may use it, or set IMAGE_MODEL`),
      );
    }
    if (model.pricing === null && isBudgetSet(budget)) {
      findings.push(
        fails(subject, `there is no price for ${model.id}, so that the budget refuses it; add one with MODEL_CATALOG`),
      );
    }
  }
  if (findings.length > 0) return findings;
  const dates = shutdowns.known().map(({ model, date }) => `${model} until ${date}`);
  const names = rows.map(({ provider, model }) => `${model.id} of ${provider}`);
  return [ok(subject, [...names, ...dates].join(', '))];
}

/** Time to choose another model and to look at what it makes, in milliseconds. */
const SOON_MS = 90 * 86_400_000;

function isSoon(date: string, now: number): boolean {
  return shutdownTime(date) - now < SOON_MS;
}

/** Calls on this thread that note what the lists of models say. */
function callsThatNote(answers: Map<string, Answer>, maskSecrets: MaskSecrets): OpenCalls {
  return ({ providers }) => {
    const closers: { close(): Promise<void> }[] = [];
    return {
      callsOf(name) {
        const settings = providers.find((provider) => provider.name === name);
        if (settings === undefined) throw new TypeError(`${name} is no provider with calls of its own`);
        const answer: Answer = { host: hostNameOf(settings.baseURL), error: null, models: null, clockSeconds: null };
        answers.set(name, answer);
        const transport = createTransport({ maxResponseBytes: MAX_LIST_BYTES });
        const guard = createGuardedFetch({ allow: settings.allowHosts });
        closers.push(transport, guard);
        const noting = noteAnswer(transport, answer);
        const clock = { now: () => Date.now() };
        const calls = createOpenAICalls({ ...settings, transport: noting, guard, maskSecrets, clock });
        return {
          ...calls,
          async shutdownDates(signal) {
            try {
              return await calls.shutdownDates(signal);
            } catch (error) {
              answer.error = error;
              throw error;
            }
          },
        };
      },
      async close() {
        await Promise.all(closers.map((closer) => closer.close()));
      },
    };
  };
}

function noteAnswer(transport: Transport, answer: Answer): Transport {
  return {
    ...transport,
    async fetch(input, init) {
      const askedAt = Date.now();
      const response = await transport.fetch(input, init);
      answer.clockSeconds = clockOffset(response.headers.get('date'), askedAt);
      if (!response.ok) return response;
      const bytes = await Array.fromAsync(transport.read(response.body));
      const text = Buffer.concat(bytes).toString();
      answer.models = idsIn(text);
      return new Response(text, { status: response.status, headers: { 'content-type': 'application/json' } });
    },
  };
}

/** The ids in a list of models; null for what is no such list. */
function idsIn(text: string): readonly string[] | null {
  try {
    const { data } = JSON.parse(text) as { data?: unknown };
    if (!Array.isArray(data)) return null;
    return data.flatMap((entry: unknown) => {
      const { id } = (entry ?? {}) as { id?: unknown };
      return typeof id === 'string' ? [id] : [];
    });
  } catch {
    return null;
  }
}

function hostNameOf(baseURL: string | null): string {
  return baseURL === null ? 'api.openai.com' : new URL(baseURL).host;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it is no list of models';
}
