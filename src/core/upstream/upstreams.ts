import type { Logger } from 'pino';
import { ImageError, type ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { ProviderFailure, ProviderState } from '../domain/provider-state.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { GenerationPlan } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';
import type { CallLimits, SharedCallLimits } from '../ports/shared-call-limits.ts';
import { type CircuitBreaker, createCircuitBreaker, type OnTurn } from './circuit-breaker.ts';
import { createOutageEvidence, type OutageEvidence } from './outage/outage-evidence.ts';
import { createProbeLine, type ProbeLine } from './outage/probe-line.ts';
import { conditionOf, createFailureNote } from './provider-condition.ts';
import { planFor } from './provider-plan.ts';
import { createThrottle, type Throttle, throttled } from './throttle.ts';

/** A provider with what the service knows of its state, and with its throttle. */
interface Upstream {
  readonly provider: Provider;
  readonly breaker: CircuitBreaker;
  readonly evidence: OutageEvidence;
  readonly line: ProbeLine;
  readonly throttle: Throttle;
  readonly limits: CallLimits;
  /** Its latest failed call that says something about it; null where there was none. */
  readonly lastError: () => ProviderFailure | null;
}

/** A provider that can make the picture, with the plan of its call. */
export interface Candidate {
  readonly upstream: Upstream;
  readonly plan: GenerationPlan;
}

/** The present state of one provider. */
interface UpstreamState {
  readonly name: string;
  /** The fault that keeps the circuit breaker open, or null while it is closed. */
  readonly openedBy: ProviderFault | null;
  /** Milliseconds until the throttle's pause ends; 0 without one. */
  readonly pausedMs: number;
}

/** The configured providers, in order of preference. */
export interface Upstreams {
  /**
   * The providers that can make this picture, even with an open circuit breaker: of all, or only the one that the request names.
   * Where there is none, raises the reason of the first: `unsupported_parameter`, or `invalid_request` for an unknown name.
   */
  candidates(request: ImageRequest): readonly [Candidate, ...Candidate[]];
  /** The provider of this name; null where it is no longer configured. */
  provider(name: string): Provider | null;
  /** How this provider would make this picture; null where it cannot or is no longer configured. */
  plan(provider: string, request: ImageRequest): GenerationPlan | null;
  /** True while a job could call some provider now: one whose breaker is closed or admits a probe. */
  anyUsable(): boolean;
  /** True while the circuit breaker of the provider with this name is open. */
  isDown(name: string): boolean;
  states(): readonly UpstreamState[];
  /** How the providers stand, for operators; `model` is the one that is made where a request names none. */
  conditions(model: string): readonly ProviderState[];
}

interface UpstreamOptions {
  readonly provider: Provider;
  readonly limits: CallLimits;
  /** The limits over all processes, where several share the records. */
  readonly shared?: SharedCallLimits | null;
}

/** The providers, each with its circuit breaker, whose turns are logged. */
export function createUpstreams(options: readonly UpstreamOptions[], clock: Clock, log: Logger): Upstreams {
  const upstreams = options.map(({ provider, limits, shared }): Upstream => {
    const throttle = createThrottle(limits, clock, shared);
    const failures = createFailureNote(clock);
    return {
      provider: throttled(failures.watch(provider), throttle),
      limits,
      lastError: failures.last,
      breaker: createCircuitBreaker(
        clock,
        logTurns(provider.name, () => isOnly(provider.name), clock, log),
      ),
      evidence: createOutageEvidence(clock),
      line: createProbeLine(),
      throttle,
    };
  });

  /** Whether no other provider can take the jobs of this one. */
  const isOnly = (name: string) =>
    upstreams.every(({ provider, breaker }) => provider.name === name || breaker.openedBy() !== null);

  const find = (name: string) => upstreams.find(({ provider }) => provider.name === name)?.provider ?? null;

  return {
    candidates(request) {
      const allowed = upstreams.filter(({ provider }) => (request.provider ?? provider.name) === provider.name);
      const found: Candidate[] = [];
      let reason: unknown = null;
      for (const [index, upstream] of allowed.entries()) {
        try {
          found.push({ upstream, plan: planFor(upstream.provider, request, clock.now()) });
        } catch (error) {
          if (index === 0) reason = error;
        }
      }
      const [first, ...others] = found;
      if (first === undefined) throw reason ?? unknownProvider(request.provider, upstreams);
      return [first, ...others];
    },
    provider: find,
    plan(name, request) {
      const provider = find(name);
      try {
        return provider ? planFor(provider, request, clock.now()) : null;
      } catch (error) {
        if (error instanceof ImageError) return null;
        throw error;
      }
    },
    anyUsable: () => upstreams.some(({ breaker }) => breaker.waitMs() === 0),
    isDown: (name) => upstreams.some(({ provider, breaker }) => provider.name === name && breaker.openedBy() !== null),
    states: () =>
      upstreams.map(({ provider, breaker, throttle }) => ({
        name: provider.name,
        openedBy: breaker.openedBy(),
        pausedMs: throttle.pausedMs(),
      })),
    conditions: (model) =>
      upstreams.map(({ provider, limits, lastError, ...parts }) => ({
        name: provider.name,
        model: provider.model(model)?.id ?? model,
        ...conditionOf(parts, clock),
        concurrency: limits.concurrency,
        perMinute: limits.perMinute,
        lastError: lastError(),
      })),
  };
}

/** Logs each turn of a provider's breaker: as an error where somebody has to act, or where no other provider can take its jobs. */
function logTurns(provider: string, isOnly: () => boolean, clock: Clock, log: Logger): OnTurn {
  let opened: { readonly since: string; readonly began: number } | null = null;
  return (fault, reason) => {
    if (fault === null) {
      const seconds = opened && Math.round((clock.monotonic() - opened.began) / 1000);
      log.info({ provider, since: opened?.since, seconds }, 'the provider works again');
      opened = null;
      return;
    }
    opened ??= { since: new Date(clock.now()).toISOString(), began: clock.monotonic() };
    const line = { provider, fault, reason, since: opened.since };
    if (fault === 'account')
      log.error(
        line,
        'the provider refuses the account: key, quota, billing or verification; it works again only once that is put right',
      );
    else if (isOnly())
      log.error(
        line,
        'the provider is taken to be down, and no other can make pictures: new ones are refused, and accepted ones wait',
      );
    else
      log.warn(
        line,
        'the provider is taken to be down: the next one makes its pictures, and probes find out when it works again',
      );
  };
}

/** The error when every one of these circuit breakers is open: nothing was sent; retry after the first probe. */
export function noProviderAvailable(upstreams: readonly Upstream[]): ImageError {
  const detail = `no provider works at the moment (${namesOf(upstreams)}); nothing was sent or paid`;
  return new ImageError('provider_unavailable', detail, { retryAfterSeconds: secondsToProbe(upstreams) });
}

/**
 * The error of a job that has waited for these providers until its deadline. `failure` is that of its last call, if it made any;
 * `earlier` are the calls for the image before the job, those of earlier runs included.
 */
export function providersStayDown(
  upstreams: readonly Upstream[],
  failure: ProviderError | null,
  earlier: readonly Attempt[],
): ImageError {
  const known = failure === null ? knownOf(earlier) : `the last call: ${failure.message}`;
  return new ImageError(
    'provider_unavailable',
    `no provider worked before the deadline (${namesOf(upstreams)}); ${known}`,
    {
      retryAfterSeconds: secondsToProbe(upstreams),
      ...(failure !== null && { cause: failure }),
    },
  );
}

/** What is known of the money where a job made no call. */
function knownOf(earlier: readonly Attempt[]): string {
  if (earlier.length === 0) return 'nothing was sent or paid';
  if (earlier.every(({ outcome }) => outcome === 'failed')) return 'no call was made now, and none before was billed';
  return 'no call was made now, but an earlier one may have been billed';
}

function namesOf(upstreams: readonly Upstream[]): string {
  return upstreams.map(({ provider }) => provider.name).join(', ');
}

function secondsToProbe(upstreams: readonly Upstream[]): number {
  const waitMs = Math.min(...upstreams.map(({ breaker }) => breaker.waitMs({ probeOnly: true })));
  return Math.max(1, Math.ceil(waitMs / 1000));
}

/** The result of the health check: `ok` with every breaker closed, `error` with every one open, otherwise `degraded`. */
export function upstreamHealth(states: readonly UpstreamState[]) {
  const open = states.filter(({ openedBy }) => openedBy !== null);
  const status = open.length === 0 ? 'ok' : open.length < states.length ? 'degraded' : 'error';
  const detail = states.map(({ name, openedBy, pausedMs }) => {
    // Only the fault: the health route is public, the provider's own message is not.
    if (openedBy !== null) return `${name} open (${openedBy})`;
    return pausedMs > 0 ? `${name} paused for ${Math.ceil(pausedMs / 1000)} s` : `${name} ok`;
  });
  return { status, detail: detail.join(', ') } as const;
}

function unknownProvider(name: string | null, upstreams: readonly Upstream[]): ImageError {
  return new ImageError('invalid_request', `there is no provider ${name}`, {
    paths: [{ path: 'provider', message: `one of ${upstreams.map(({ provider }) => provider.name).join(', ')}` }],
  });
}
