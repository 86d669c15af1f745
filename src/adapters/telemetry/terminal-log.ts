/** The log as a person reads it at a terminal. Importing this loads pino-pretty, which takes some 40 ms. */

import { prettyFactory } from 'pino-pretty';

const translateTime = 'SYS:HH:MM:ss';
const onOneLine = prettyFactory({ translateTime, singleLine: true });
const asBlock = prettyFactory({ translateTime });

/** A field that only the report of a start has. */
const START_REPORT = '"anonymousAccess":';

/**
 * Turns a JSON line of the log into time of day, level, message and fields on one line; errors follow with their stack, and the report
 * of a start has a line for each field. A line that is not JSON stays as it is.
 */
export function formatForTerminal(line: string): string {
  return line.includes(START_REPORT) ? asBlock(line) : onOneLine(line);
}
