import type { AsyncLocalStorage } from 'node:async_hooks';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ProviderCalls } from '../../../core/ports/provider.ts';
import { ownBuffer } from '../../threads/own-buffer.ts';
import type { Outcome } from '../../threads/thread-work.ts';
import type { CallEnd, CallNews, CallResult, CallTask, CallWork, PartialPicture } from './messages.ts';

interface CallServerParts {
  /** The calls of the provider with this name. */
  readonly callsOf: (provider: string) => ProviderCalls;
  /** Has this thread mask them from now on. */
  readonly learnSecrets: (secrets: readonly string[]) => void;
  /** Holds the `traceparent` of the call that is being made. */
  readonly traces: Pick<AsyncLocalStorage<string | null>, 'run'>;
}

/** What a thread does with a task of `createCallThreads`. Raises what the call raises; the bytes of pictures are moved, not copied. */
export function createCallServer({ callsOf, learnSecrets, traces }: CallServerParts) {
  return async ({ provider, work, traceparent, secrets, port }: CallTask): Promise<Outcome<CallResult>> => {
    const ends = { cancelled: new AbortController(), abandoned: new AbortController() };
    const take = (news: CallNews) => ('end' in news ? ends[news.end].abort() : learnSecrets(news.secrets));
    learnSecrets(secrets);
    // A call that has been ended already sends nothing.
    for (let news = receive(port); news !== undefined; news = receive(port)) take(news);
    port.on('message', take);
    return moved(await traces.run(traceparent, () => make(callsOf(provider), work, ends, port)));
  };
}

function make(
  calls: ProviderCalls,
  work: CallWork,
  ends: Readonly<Record<CallEnd, AbortController>>,
  port: MessagePort,
): Promise<CallResult> {
  const cancelled = ends.cancelled.signal;
  const abandoned = ends.abandoned.signal;
  switch (work.method) {
    case 'generate': {
      const onPartial = work.wantsPartials
        ? (bytes: Uint8Array, index: number) => sendPartial(port, bytes, index)
        : undefined;
      const { call, inputBytes, omit } = work;
      return calls.generate(call, { cancelled, abandoned, inputBytes, omit, onPartial });
    }
    case 'download':
      return calls.download(work.url, { signal: abandoned, timeoutMs: work.timeoutMs });
    case 'shutdownDates':
      return calls.shutdownDates(abandoned);
  }
}

function receive(port: MessagePort): CallNews | undefined {
  return receiveMessageOnPort(port)?.message as CallNews | undefined;
}

function sendPartial(port: MessagePort, given: Uint8Array, index: number): void {
  const bytes = ownBuffer(given);
  port.postMessage({ bytes, index } satisfies PartialPicture, [bytes.buffer]);
}

function moved(result: CallResult): Outcome<CallResult> {
  if (!('bytes' in result)) return { result };
  const bytes = ownBuffer(result.bytes);
  return { result: { ...result, bytes }, transfer: [bytes.buffer] };
}
