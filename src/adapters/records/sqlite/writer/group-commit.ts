import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { cacheStatements, rollBack } from './connection.ts';
import { type Fault, faultOf, type Outcome, type Result, type Row, type Step, type Write } from './write.ts';

/**
 * Does writes together, with one commit: it returns their results in order, once what they stored is durable. A write that fails or is
 * stopped leaves nothing and does not touch the others; each sees what those before it have written. Raises, and has done nothing, where
 * the transaction cannot begin, such as while another program writes.
 */
export type CommitGroup = (writes: readonly Write[]) => readonly Result[];

/** Group commits over a connection. `assertWritable` is called before each commit, which its error prevents. */
export function createGroupCommit(database: DatabaseSync, assertWritable: () => void): CommitGroup {
  const prepared = cacheStatements(database);

  /** Runs the steps in a savepoint, so that a write that does not go through is undone alone. */
  const perform = ({ steps }: Write): Result => {
    database.exec('SAVEPOINT write');
    try {
      const outcome = runSteps(steps, prepared);
      if (outcome.stopped !== null) database.exec('ROLLBACK TO write');
      database.exec('RELEASE write');
      return outcome;
    } catch (error) {
      // Without a transaction the other writes of the group are undone, too.
      if (!database.isTransaction) throw error;
      database.exec('ROLLBACK TO write; RELEASE write');
      return { fault: faultOf(error) };
    }
  };

  /** The results of the writes, or the reason why their commit failed. Raises where the transaction cannot begin. */
  const commit = (writes: readonly Write[]): readonly Result[] | Fault => {
    database.exec('BEGIN IMMEDIATE');
    try {
      const results = writes.map(perform);
      assertWritable();
      // Where nothing is stored there is nothing to sync, though a savepoint that was rolled back leaves pages to be written.
      database.exec(results.some(isStored) ? 'COMMIT' : 'ROLLBACK');
      return results;
    } catch (error) {
      rollBack(database);
      return faultOf(error);
    }
  };

  /** The result of one write with a commit of its own. */
  const commitAlone = (write: Write): Result => {
    try {
      const ended = commit([write]);
      return 'message' in ended ? { fault: ended } : (ended[0] as Result);
    } catch (error) {
      return { fault: faultOf(error) };
    }
  };

  return (writes) => {
    const ended = commit(writes);
    if (!('message' in ended)) return ended;
    // Nothing of the group is stored. Which of its writes cannot be is found by doing each alone.
    return writes.length === 1 ? [{ fault: ended }] : writes.map(commitAlone);
  };
}

function isStored(result: Result): boolean {
  return 'stopped' in result && result.stopped === null;
}

function runSteps(steps: readonly Step[], prepared: (sql: string) => StatementSync): Outcome {
  let answer: Row | null = null;
  for (const { sql, values, stop, answers } of steps) {
    const bound: readonly SQLInputValue[] = Array.isArray(values) ? values : [values as never];
    const statement = prepared(sql);
    if (!stop && !answers) {
      statement.run(...bound);
      continue;
    }
    const row = statement.get(...bound) ?? null;
    if (stop && (row !== null) === (stop.when === 'row')) return { stopped: stop.name, row };
    if (answers) answer = row;
  }
  return { stopped: null, row: answer };
}
