/** Calls of the OpenAI dialect, as its routes hand them to the core. */

import type { Services } from '../../../src/composition/services.ts';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import type { CallIdentity, OpenCall, PictureCall } from '../../../src/core/images/calls.ts';
import type { Easel } from '../app/easel.ts';
import type { Gate } from '../network/http-delivery.ts';
import { picture } from '../openai/answers.ts';

export const ANNA = { name: 'anna', seesAll: false, admin: false };
export const BERT = { name: 'bert', seesAll: false, admin: false };

/** A request without renditions, as the dialect makes it. */
export const LIGHTHOUSE = { prompt: 'a lighthouse', size: { width: 1024, height: 640 }, renditions: [] };

/** A fresh call that says so. */
export function identity(overrides: Partial<CallIdentity> = {}): CallIdentity {
  return { digest: 'd'.repeat(64), idempotencyKey: null, retryCount: 0, ...overrides };
}

/** What tests do with the calls of a service, as the caller without a key and for one picture by default. */
export function drive({ calls }: Pick<Services, 'calls'>, caller = ANONYMOUS, create = LIGHTHOUSE) {
  const send = (known: Partial<CallIdentity>, count: number): Promise<OpenCall> =>
    calls.submit(create, count, caller, identity(known));
  return {
    send,
    fresh: (count = 1) => send({}, count),
    retry: (count = 1, retryCount = 1) => send({ retryCount }, count),
    keyed: (idempotencyKey: string, count = 1) => send({ idempotencyKey }, count),
    isKnown: (known: Partial<CallIdentity>) => calls.isKnown(caller, identity(known)),
    /** Waits for the end of the call's images. */
    ended: (call: PictureCall) => calls.wait(call, 3_600_000, new AbortController().signal),
  };
}

/** Waits for the end, and takes the answer. */
export async function finish({ calls }: Pick<Services, 'calls'>, call: OpenCall): Promise<PictureCall> {
  using waiting = call;
  return await calls.wait(waiting, 3_600_000, new AbortController().signal);
}

/** Holds every picture back until the gate is opened. */
export function holdPictures({ upstream }: Pick<Easel, 'upstream'>): Gate {
  const gate = upstream.gate();
  upstream.always(picture({ beforeHeaders: gate }));
  return gate;
}

export function statuses({ images }: PictureCall): readonly string[] {
  return images.map(({ status }) => status);
}
