import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';

/** What a statement is given: by name, or by position. */
export type Values = Readonly<Record<string, SQLInputValue>> | readonly SQLInputValue[];

/** A result row, by column name. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** One statement of a write. */
export interface Step {
  readonly sql: string;
  readonly values: Values;
  /** Stops the write where the statement gives a row, or where it gives none: nothing of it is stored, and the outcome has this name. */
  readonly stop?: { readonly name: string; readonly when: 'row' | 'no row' };
  /** The row that the statement gives is the outcome's. */
  readonly answers?: true;
}

/** The name of the stop where a row is no longer what the write was made from. */
export const CHANGED = 'changed';

/** A write as data, which another thread can do: its statements are run in order, in one transaction. */
export interface Write {
  readonly steps: readonly Step[];
  /** How long it waits for a lock of another program, in milliseconds. */
  readonly waitMs: number;
}

/** How a write ended: stored and durable, or stopped by the step of that name, with the row that it gave. */
export interface Outcome {
  readonly stopped: string | null;
  readonly row: Row | null;
}

/** An error as it crosses threads: structured cloning would drop SQLite's codes. */
export interface Fault {
  readonly message: string;
  readonly code?: string | undefined;
  readonly errcode?: number | undefined;
  readonly stack?: string | undefined;
}

/** The end of one write: how it ended, or why nothing of it is stored. */
export type Result = Outcome | { readonly fault: Fault };

/** What the writer's thread is sent: a write with its number, or the word to finish what it has and end. */
export type ToThread = { readonly id: number; readonly write: Write } | 'close';

/** What the thread answers: the ends of the writes of one commit. */
export type FromThread = readonly { readonly id: number; readonly result: Result }[];

/** What the thread gets when it is started. */
export interface ThreadData {
  readonly path: string;
  readonly files: readonly WatchedFile[];
}

/** A file that has to stay where it is, and what it was when the database was opened. */
export interface WatchedFile {
  readonly file: string;
  readonly identity: string | null;
}

/** A statement that changes something. */
export function run(sql: string, values: Values): Step {
  return { sql, values };
}

/** A statement that stops its write, under this name, where it gives a row. */
export function stopIf(name: string, sql: string, values: Values): Step {
  return { sql, values, stop: { name, when: 'row' } };
}

/** A statement that stops its write, under this name, where it gives no row. */
export function stopUnless(name: string, sql: string, values: Values): Step {
  return { sql, values, stop: { name, when: 'no row' } };
}

/** A statement whose row is the outcome's. */
export function answerWith(sql: string, values: Values): Step {
  return { sql, values, answers: true };
}

/** An error as a `Fault`. */
export function faultOf(error: unknown): Fault {
  const { message, code, errcode, stack } = (error instanceof Error ? error : new Error(String(error))) as Error &
    Fault;
  return { message, code, errcode, stack };
}

/** The error of a `Fault`, with its codes. */
export function errorOf({ message, code, errcode, stack }: Fault): Error {
  const error = Object.assign(new Error(message), code !== undefined && { code }, errcode !== undefined && { errcode });
  if (stack !== undefined) error.stack = stack;
  return error;
}
