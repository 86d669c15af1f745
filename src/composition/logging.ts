import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { createIsoTime } from '../adapters/telemetry/iso-time.ts';
import { createLogOutput } from '../adapters/telemetry/log-output.ts';
import type { MaskSecrets } from '../core/domain/text/outside-text.ts';

/** The service's log on standard output. */
export function createServiceLogger(level: string, maskSecrets: MaskSecrets): Promise<Logger> {
  return createLogger(level, 1, maskSecrets);
}

/** A command's log: warnings and errors on standard error, so that standard output holds the result only. */
export function createCommandLogger(maskSecrets: MaskSecrets): Promise<Logger> {
  return createLogger('warn', 2, maskSecrets);
}

/** Readable lines on a terminal; elsewhere a JSON object a line, its level by name and its time in ISO 8601. */
async function createLogger(level: string, descriptor: number, maskSecrets: MaskSecrets): Promise<Logger> {
  const terminal = isatty(descriptor) ? await import('../adapters/telemetry/terminal-log.ts') : null;
  return pino(
    {
      level,
      base: null,
      timestamp: createIsoTime(),
      formatters: { level: (label) => ({ level: label }) },
    },
    createLogOutput(descriptor, maskSecrets, terminal?.formatForTerminal),
  );
}
