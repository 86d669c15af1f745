import { ImageError, ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { GenerationPlan } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';
import { type CircuitBreaker, createCircuitBreaker } from './circuit-breaker.ts';
import { planFor } from './provider-plan.ts';
import { createThrottle, type Throttle, type ThrottleLimits } from './throttle.ts';

/** A provider with what keeps calls off it while it is down (`breaker`) or busy (`throttle`). */
export interface Upstream {
  readonly provider: Provider;
  readonly breaker: CircuitBreaker;
  readonly throttle: Throttle;
}

/** A provider that can make the picture, and the call that it takes. */
export interface Candidate {
  readonly upstream: Upstream;
  readonly plan: GenerationPlan;
}

export interface UpstreamState {
  readonly name: string;
  readonly openedBy: ProviderFault | null;
  readonly pausedMs: number;
}

/** The configured providers, in the order in which they are asked. */
export interface Upstreams {
  /**
   * Those that can make this picture, of those the caller allows, down or not.
   * Where there is none, raises what keeps the first from it.
   */
  candidates(request: ImageRequest): readonly [Candidate, ...Candidate[]];
  /** How this provider would make this picture; null where it cannot, or is not configured any more. */
  plan(provider: string, request: ImageRequest): GenerationPlan | null;
  /** Whether a job could call some provider now: one that works, or one that is down and due to be tried again. */
  anyUsable(): boolean;
  states(): readonly UpstreamState[];
}

export interface UpstreamOptions {
  readonly provider: Provider;
  readonly limits: ThrottleLimits;
}

export function createUpstreams(options: readonly UpstreamOptions[], clock: Clock): Upstreams {
  const upstreams = options.map(({ provider, limits }): Upstream => {
    const throttle = createThrottle(limits, clock);
    return { provider: throttled(provider, throttle), breaker: createCircuitBreaker(clock), throttle };
  });

  return {
    candidates(request) {
      const allowed = upstreams.filter(({ provider }) => (request.provider ?? provider.name) === provider.name);
      const found: Candidate[] = [];
      let reason: unknown = unknownProvider(request.provider, upstreams);
      for (const [index, upstream] of allowed.entries()) {
        try {
          found.push({ upstream, plan: planFor(upstream.provider, request, clock.now()) });
        } catch (error) {
          if (index === 0) reason = error;
        }
      }
      const [first, ...others] = found;
      if (first === undefined) throw reason;
      return [first, ...others];
    },
    plan(name, request) {
      const provider = upstreams.find((upstream) => upstream.provider.name === name)?.provider;
      try {
        return provider ? planFor(provider, request, clock.now()) : null;
      } catch (error) {
        if (error instanceof ImageError) return null;
        throw error;
      }
    },
    anyUsable: () => upstreams.some(({ breaker }) => breaker.waitMs() === 0),
    states: () =>
      upstreams.map(({ provider, breaker, throttle }) => ({
        name: provider.name,
        openedBy: breaker.openedBy(),
        pausedMs: throttle.pausedMs(),
      })),
  };
}

/** What is said when no provider may be called: nothing was sent, and when it is worth trying again. */
export function noProviderAvailable(upstreams: readonly Upstream[]): ImageError {
  const names = upstreams.map(({ provider }) => provider.name).join(', ');
  const waitMs = Math.min(...upstreams.map(({ breaker }) => breaker.waitMs()));
  return new ImageError('provider_unavailable', `not working at the moment: ${names}; nothing was sent or paid`, {
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
  });
}

/** What the health check says: `degraded` while another provider is left, `error` when none is. */
export function upstreamHealth(states: readonly UpstreamState[]) {
  const open = states.filter(({ openedBy }) => openedBy !== null);
  const status = open.length === 0 ? 'ok' : open.length < states.length ? 'degraded' : 'error';
  const detail = states.map(({ name, openedBy, pausedMs }) => {
    // The fault alone: health is for everyone to see, and what the provider said is not.
    if (openedBy !== null) return `${name} open (${openedBy})`;
    return pausedMs > 0 ? `${name} paused for ${Math.ceil(pausedMs / 1000)} s` : `${name} ok`;
  });
  return { status, detail: detail.join(', ') } as const;
}

/** Tells the throttle what every answer says about the provider's limits. */
function throttled(provider: Provider, throttle: Throttle): Provider {
  return {
    name: provider.name,
    supportsSize: provider.supportsSize,
    controlSequences: provider.controlSequences,
    model: (id) => provider.model(id),
    shutdownDates: async (signal) => (await provider.shutdownDates?.(signal)) ?? new Map(),
    async generate(call, options) {
      try {
        const picture = await provider.generate(call, options);
        throttle.succeeded();
        if (picture.pauseMs !== null) throttle.pause(picture.pauseMs);
        return picture;
      } catch (error) {
        const busy = error instanceof ProviderError && (error.fault === 'rate_limited' || error.fault === 'overloaded');
        if (busy && error.retryAfterMs !== null && error.retryAfterMs > 0) throttle.pause(error.retryAfterMs);
        throw error;
      }
    },
  };
}

function unknownProvider(name: string | null, upstreams: readonly Upstream[]): ImageError {
  return new ImageError('invalid_request', `there is no provider ${name}`, {
    paths: [{ path: 'provider', message: `one of ${upstreams.map(({ provider }) => provider.name).join(', ')}` }],
  });
}
