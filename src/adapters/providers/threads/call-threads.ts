import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { ProviderError } from '../../../core/domain/errors.ts';
import type {
  AnnouncedAnswer,
  DownloadedPicture,
  GeneratedPicture,
  ProviderCalls,
  ReceivedBytes,
} from '../../../core/ports/provider.ts';
import type { Tracer } from '../../../core/ports/tracer.ts';
import { ownBuffer, release } from '../../threads/own-buffer.ts';
import { PoolClosedError, ThreadDiedError, type ThreadPool } from '../../threads/pool.ts';
import type { CallEnd, CallNews, CallResult, CallTask, CallWork, PartialPicture } from './messages.ts';

/** The secrets that this process knows. */
interface KnownSecrets {
  /** All of them. */
  known(): readonly string[];
  /** Calls `listener` with those that become known later, until the returned function is called. */
  onLearn(listener: (secrets: readonly string[]) => void): () => void;
}

interface CallThreadsParts {
  /** Its worker file runs what `createCallServer` made. */
  readonly pool: Pick<ThreadPool<CallTask, CallResult>, 'run'>;
  readonly tracer: Pick<Tracer, 'traceparent'>;
  /** The threads mask them. One that becomes known during a call is masked by that call, too. */
  readonly secrets: KnownSecrets;
}

/** What one call gets and gives before its end. */
interface CallSide {
  readonly ends: readonly (readonly [CallEnd, AbortSignal])[];
  /** Of bytes in the work, which move to the thread. */
  readonly transfer?: readonly ArrayBuffer[];
  readonly onPartial?: ((bytes: Uint8Array, index: number) => void) | undefined;
}

/**
 * A provider's calls, made on other threads: connections, TLS, reading and decoding the answer, and its checksum cost the event loop
 * nothing, and the bytes come over by being moved. Where the thread of a call dies, the call ends with the fault `interrupted`: it may have
 * been billed.
 */
export function createCallThreads({ pool, tracer, secrets }: CallThreadsParts): (provider: string) => ProviderCalls {
  async function make(
    provider: string,
    work: CallWork,
    { ends, transfer = [], onPartial }: CallSide,
  ): Promise<CallResult> {
    const { port1: port, port2: remote } = new MessageChannel();
    const takePartial = ({ bytes, index }: PartialPicture) => onPartial?.(bytes, index);
    port.on('message', takePartial);
    const send = (news: CallNews) => port.postMessage(news);
    const known = secrets.known();
    const forgetSecrets = secrets.onLearn((learned) => send({ secrets: learned }));
    const forgetSignals = ends.map(([end, signal]) => onAbort(signal, () => send({ end })));
    try {
      const task: CallTask = { provider, work, traceparent: tracer.traceparent(), secrets: known, port: remote };
      return await pool.run(task, { transfer: [remote, ...transfer] });
    } catch (error) {
      throw isThreadLost(error) ? lostCall(provider, error) : error;
    } finally {
      // What the thread sent before the end is here, but its turn in the event loop may come later.
      for (let left = receive(port); left !== undefined; left = receive(port)) takePartial(left);
      for (const forget of [forgetSecrets, ...forgetSignals]) forget();
      port.close();
    }
  }

  return (provider) => ({
    async generate(call, { cancelled, abandoned, inputBytes: given, omit, onPartial }) {
      const inputBytes = given && new Map([...given].map(([sha256, bytes]) => [sha256, ownBuffer(bytes)]));
      const transfer = [...(inputBytes?.values() ?? [])].map(({ buffer }) => buffer);
      const work = { method: 'generate', call, inputBytes, omit, wantsPartials: onPartial !== undefined } as const;
      const ends = [['cancelled', cancelled] as const, ['abandoned', abandoned] as const];
      return releasable(
        (await make(provider, work, { ends, transfer, onPartial })) as GeneratedPicture | AnnouncedAnswer,
      );
    },
    async download(url, { signal, timeoutMs }) {
      const work = { method: 'download', url, timeoutMs } as const;
      return releasable((await make(provider, work, { ends: [['abandoned', signal]] })) as DownloadedPicture);
    },
    async shutdownDates(signal) {
      const work = { method: 'shutdownDates' } as const;
      return (await make(provider, work, { ends: [['abandoned', signal]] })) as ReadonlyMap<string, string>;
    },
  });
}

/** The answer with the means to give its memory back, which cannot cross threads. */
function releasable<Answer extends object>(answer: Answer): Answer {
  if (!('bytes' in answer)) return answer;
  const { bytes } = answer as Answer & ReceivedBytes;
  return { ...answer, release: () => release(bytes) };
}

/** Calls `listener` when the signal is aborted, at once where it is, until the returned function is called. */
function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

function receive(port: MessagePort): PartialPicture | undefined {
  return receiveMessageOnPort(port)?.message as PartialPicture | undefined;
}

function isThreadLost(error: unknown): boolean {
  return error instanceof ThreadDiedError || error instanceof PoolClosedError;
}

/** The request may have left before the thread was lost, so that the call counts as one that may have been billed. */
function lostCall(provider: string, cause: unknown): ProviderError {
  const detail = cause instanceof PoolClosedError ? 'the service has stopped' : 'the thread that made the call died';
  return new ProviderError('interrupted', `${provider} did not complete its response: ${detail}`, {
    cause,
    isOurs: true,
  });
}
