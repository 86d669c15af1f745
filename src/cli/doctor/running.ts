import type { z } from 'zod';
import { HEALTH_CHECKS, type healthReport } from '../../api/health.ts';
import type { whoami } from '../../api/whoami.ts';
import { createEasel, EaselError } from '../../client/client.ts';
import type { Model } from '../../client/shapes.ts';
import {
  clockFinding,
  clockOffset,
  type Finding,
  type Findings,
  fails,
  ok,
  warning,
} from '../../composition/checkup/finding.ts';
import { VERSION } from '../../composition/version.ts';
import type { Address } from '../service/address.ts';
import { createRead } from '../service/read.ts';
import { checkProxy } from './proxy.ts';

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 15_000;

type Health = z.output<typeof healthReport>;

/** Looks at a running service from outside, as its callers see it. */
export async function* examineService(address: Address): Findings {
  const asked = await askHealth(address);
  yield asked.finding;
  if (asked.health === null) return;
  yield* healthFindings(asked.health);
  const read = createRead({ baseUrl: address.url, apiKey: address.apiKey });
  const easel = createEasel({ baseUrl: address.url, apiKey: address.apiKey });
  const limit = () => ({ signal: AbortSignal.timeout(ANSWER_MS) });
  const key = await keyFinding(() => read<z.output<typeof whoami>>('/whoami', limit()));
  yield key;
  if (key.verdict !== 'fails') yield* await modelFindings(() => easel.models(limit()));
  yield clockFinding(asked.offset === null ? null : { host: new URL(address.url).host, seconds: asked.offset });
  yield await checkProxy(address);
}

interface Asked {
  readonly finding: Finding;
  /** Null where there is no service. */
  readonly health: Health | null;
  readonly offset: number | null;
}

async function askHealth({ url }: Address): Promise<Asked> {
  const askedAt = Date.now();
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const offset = clockOffset(response.headers.get('date'), askedAt);
    const health = (await response.json().catch(() => null)) as Health | null;
    if (health === null || !('checks' in health) || !('version' in health)) {
      const detail = `${url}/health answers ${response.status}, and not as Easel does; correct --url or EASEL_URL, path prefix included`;
      return { finding: fails('service', detail), health: null, offset };
    }
    return { finding: versionFinding(health, url), health, offset };
  } catch (error) {
    const { cause, message } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    const detail = `${url} cannot be reached: ${reason}; start the service, or correct --url or EASEL_URL`;
    return { finding: fails('service', detail), health: null, offset: null };
  }
}

function versionFinding({ version, uptimeSeconds }: Health, url: string): Finding {
  const detail = `${url} is Easel ${version}, up for ${uptimeSeconds} s`;
  if (version === VERSION) return ok('service', detail);
  return warning(
    'service',
    `${detail}; this command is ${VERSION}: use the same version, or they may not know each other's fields`,
  );
}

function* healthFindings({ checks }: Health): Generator<Finding> {
  for (const name of HEALTH_CHECKS) {
    const { status, detail = 'works', since } = checks[name];
    const make = { ok, degraded: warning, error: fails }[status];
    yield make(name, status === 'ok' ? detail : `${detail}; since ${since}, and the log of the service says more`);
  }
}

async function keyFinding(ask: () => Promise<z.output<typeof whoami>>): Promise<Finding> {
  try {
    const { name, scopes, keysInUse } = await ask();
    if (!keysInUse) return ok('key', 'the service has no API keys: every caller may do everything');
    const detail = `${name} may ${scopes.join(', ')}`;
    const missing = ['generate', 'read'].filter((scope) => !scopes.some((has) => has === scope));
    if (missing.length === 0) return ok('key', detail);
    return warning(
      'key',
      `${detail}, but not ${missing.join(' and ')}; set EASEL_API_KEY to a key that may, if that is meant`,
    );
  } catch (error) {
    const reason = messageOf(error);
    const isRefused = error instanceof EaselError && error.code === 'unauthorized';
    return fails(
      'key',
      isRefused ? `${reason}; set EASEL_API_KEY to a key of this service (easel keys create makes one)` : reason,
    );
  }
}

async function modelFindings(ask: () => Promise<readonly Model[]>): Promise<readonly Finding[]> {
  try {
    const models = await ask();
    const usable = models.filter((model) => model.usable);
    if (usable.length === 0) {
      const detail =
        'none can be called now; the log of the service says why, and IMAGE_MODEL and PROVIDERS choose others';
      return [fails('models', detail)];
    }
    const dated = usable.filter(({ shutdownDate }) => shutdownDate !== null);
    const days = [...new Set(dated.map(({ shutdownDate }) => shutdownDate))].toSorted();
    const untilDays = days.map(
      (day) => `${namesOf(dated.filter(({ shutdownDate }) => shutdownDate === day))} until ${day}`,
    );
    const others = models.length - usable.length;
    const notes = [
      `${usable.length} can be called`,
      ...untilDays,
      ...(others > 0 ? [`${others} cannot: easel models says which`] : []),
    ];
    return [ok('models', notes.join('; '))];
  } catch (error) {
    if (error instanceof EaselError && error.code === 'forbidden')
      return [warning('models', `not looked at: ${error.message}`)];
    return [fails('models', messageOf(error))];
  }
}

function namesOf(models: readonly Model[]): string {
  return models.map(({ id }) => id).join(', ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
