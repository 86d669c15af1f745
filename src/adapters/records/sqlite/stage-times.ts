import type { StageCount } from '../../../core/ports/record-store.ts';
import type { SqliteDatabase } from './database.ts';
import { run, type Step } from './writer/write.ts';

/** Adds the counts to those in the table `stage_times`, and removes those of hours before `keptFrom`. */
export function noteStagesSteps(counts: readonly StageCount[], keptFrom: number): readonly Step[] {
  return [
    run(
      `
      INSERT INTO stage_times (hour, stage, bucket, count)
      SELECT value ->> '$.hour', value ->> '$.stage', value ->> '$.bucket', value ->> '$.count' FROM json_each(?) WHERE true
      ON CONFLICT DO UPDATE SET count = count + excluded.count`,
      [JSON.stringify(counts)],
    ),
    run('DELETE FROM stage_times WHERE hour < ?', [keptFrom]),
  ];
}

export function readStageCounts(sql: SqliteDatabase['sql'], fromHour: number): readonly Omit<StageCount, 'hour'>[] {
  return sql('SELECT stage, bucket, sum(count) AS count FROM stage_times WHERE hour >= ? GROUP BY stage, bucket')
    .all(fromHour)
    .map(({ stage, bucket, count }) => ({ stage: String(stage), bucket: Number(bucket), count: Number(count) }));
}
