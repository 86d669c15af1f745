import { type Logger, pino } from 'pino';
import { createLogOutput } from '../adapters/telemetry/log-output.ts';

/** The log of the service: JSON lines on the standard output, those of one turn of the event loop written together. */
export function createServiceLogger(level: string): Logger {
  return pino({ level, base: null }, createLogOutput(1));
}

/** The log of a command: warnings and worse, on the standard error, so that the standard output holds nothing but the result. */
export function createCommandLogger(): Logger {
  return pino({ level: 'warn', base: null }, pino.destination(2));
}
