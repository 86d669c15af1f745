import { openEmbeddedEasel } from '../../composition/embedded-easel.ts';
import { createCommandLogger } from '../../composition/logging.ts';
import { readCommandConfig } from '../../config/config.ts';
import { DatabaseInUseError, MediaInUseError } from '../../core/domain/errors.ts';
import { EXIT_INTERRUPTED, ServiceOwnsError } from '../failure.ts';
import { findRecord } from './find-record.ts';
import { createPayments, describePaid } from './payments.ts';
import { createRead } from './read.ts';
import type { Work } from './session.ts';
import type { Signals } from './signals.ts';

/**
 * Runs `work` on a service in this process, and stops the service. A paid call that is out is waited for, as by a service that stops, also
 * after a signal; then an interrupted command says what was paid.
 *
 * Raises `ConfigError`, `ServiceOwnsError` while a service owns the database or the pictures, and what `createServices` raises.
 */
export async function withEmbeddedService(work: Work, signals: Signals): Promise<number> {
  const config = readCommandConfig(process.env);
  const log = await createCommandLogger(config.secrets.mask);
  for (const warning of config.warnings) log.warn(warning);
  const { easel, connection, stop } = await openEmbeddedEasel(config, log, { onNoMaker: warnWithoutMaker }).catch(
    (error: unknown) => {
      const isOwned = error instanceof DatabaseInUseError || error instanceof MediaInUseError;
      throw isOwned ? new ServiceOwnsError(error) : error;
    },
  );
  const ended = new AbortController();
  const payments = createPayments();
  const { interrupted } = signals;
  // What a command accepts with PostgreSQL, the replicas make.
  const makes = config.records.kind !== 'postgres';
  const goesOn = makes ? '' : ' so far; the replicas go on with what was accepted';
  const reportPaid = async () => {
    const cost = await payments.total((mediaId) => findRecord(easel, mediaId));
    console.error(`interrupted: ${describePaid(cost)} was paid${goesOn}`);
  };
  signals.onSecond(reportPaid);
  try {
    if (interrupted.aborted) return EXIT_INTERRUPTED;
    const result = work({
      easel,
      read: createRead(connection),
      url: null,
      makes,
      payments,
      interrupted,
      signal: ended.signal,
    });
    const code = await Promise.race([result, signals.first]);
    return interrupted.aborted ? EXIT_INTERRUPTED : code;
  } finally {
    await stop({
      graceMs: config.shutdownGraceMs,
      onRunningCalls: reportCalls,
      async endAnswers() {
        if (interrupted.aborted) await reportPaid();
        ended.abort();
      },
    });
  }
}

function reportCalls(count: number): void {
  if (count === 0) return;
  const calls = count === 1 ? 'a paid call' : `${count} paid calls`;
  console.error(`waiting for ${calls} to end, so that the picture is not lost; a second signal ends at once`);
}

/** Says so where no process runs that makes what was accepted, so that the command waits for one. */
function warnWithoutMaker(): void {
  console.error('no replica that makes pictures is running; the picture waits for one with ROLE=all or ROLE=worker');
}
