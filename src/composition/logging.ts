import { type Logger, pino } from 'pino';
import { createLogOutput } from '../adapters/telemetry/log-output.ts';

/** The service's log: JSON lines on standard output, with one write for all lines of a turn of the event loop. */
export function createServiceLogger(level: string): Logger {
  return pino({ level, base: null }, createLogOutput(1));
}

/** A command's log: warnings and errors on standard error, so that standard output holds the result only. */
export function createCommandLogger(): Logger {
  return pino({ level: 'warn', base: null }, pino.destination(2));
}
