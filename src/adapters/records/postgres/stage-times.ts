import type { RecordStore } from '../../../core/ports/record-store.ts';
import type { Transactions } from './transactions.ts';

/** How long stages took, in the table `stage_times`; each function promises what the port's method of that name does. */
export function openStageTimes({
  read,
  write,
}: Pick<Transactions, 'read' | 'write'>): Pick<RecordStore, 'noteStages' | 'stageCounts'> {
  return {
    async noteStages(counts, keptFrom) {
      await write(async ({ run }) => {
        await run(ADD, [
          counts.map(({ hour }) => hour),
          counts.map(({ stage }) => stage),
          counts.map(({ bucket }) => bucket),
          counts.map(({ count }) => count),
        ]);
        await run('DELETE FROM easel.stage_times WHERE hour < $1::bigint', [keptFrom]);
      });
    },

    async stageCounts(fromHour) {
      const rows = await read(
        `SELECT stage, bucket, sum(count) AS count FROM easel.stage_times WHERE hour >= $1::bigint
        GROUP BY stage, bucket`,
        [fromHour],
      );
      return rows.map(({ stage, bucket, count }) => ({
        stage: String(stage),
        bucket: Number(bucket),
        count: Number(count),
      }));
    },
  };
}

// In one order, so that two transactions never wait for each other.
const ADD = `
  INSERT INTO easel.stage_times AS known (hour, stage, bucket, count)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[]) AS added (hour, stage, bucket, count)
  ORDER BY hour, stage, bucket
  ON CONFLICT (hour, stage, bucket) DO UPDATE SET count = known.count + excluded.count`;
