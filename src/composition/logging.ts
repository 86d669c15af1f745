import { type Logger, pino } from 'pino';
import { createLogOutput } from '../adapters/telemetry/log-output.ts';
import type { MaskSecrets } from '../core/domain/outside-text.ts';

/** The service's log: JSON lines on standard output, with one write for all lines of a turn of the event loop. */
export function createServiceLogger(level: string, maskSecrets: MaskSecrets): Logger {
  return pino({ level, base: null }, createLogOutput(1, maskSecrets));
}

/** A command's log: warnings and errors on standard error, so that standard output holds the result only. */
export function createCommandLogger(maskSecrets: MaskSecrets): Logger {
  return pino({ level: 'warn', base: null }, createLogOutput(2, maskSecrets));
}
