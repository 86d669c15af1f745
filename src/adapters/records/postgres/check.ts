import { unavailable } from '../../postgres/errors.ts';
import type { Transactions } from './transactions.ts';

/** The health check has to answer within a second. */
const CHECK_TIMEOUT_MS = 900;

/** Writes a number and reads it back, and reads what each request does. Raises `storage_unavailable` where that takes too long. */
export async function checkRecords({ read, write }: Transactions): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const detail = `PostgreSQL does not answer within ${CHECK_TIMEOUT_MS} ms`;
    timer = setTimeout(() => reject(unavailable(detail)), CHECK_TIMEOUT_MS);
  });
  const checked = writeAndRead({ read, write });
  checked.catch(() => undefined);
  try {
    await Promise.race([checked, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function writeAndRead({ read, write }: Pick<Transactions, 'read' | 'write'>): Promise<void> {
  const written = await write(async ({ run }) => {
    // A check that the caller no longer waits for gives its connection back.
    await run(`SET LOCAL statement_timeout = ${CHECK_TIMEOUT_MS}`);
    const [row] = await run(
      `INSERT INTO easel.probe AS known VALUES (1, 1)
      ON CONFLICT (id) DO UPDATE SET count = known.count + 1 RETURNING count`,
    );
    return Number(row?.count);
  });
  const [row] = await read(
    `SELECT (SELECT count FROM easel.probe) AS count,
      EXISTS (SELECT document FROM easel.images WHERE media_id = ''),
      EXISTS (SELECT FROM easel.images WHERE owner = '' AND idempotency_key = ''),
      EXISTS (SELECT FROM easel.deletions WHERE media_id = ''),
      EXISTS (SELECT FROM easel.deliveries WHERE id = ''),
      (SELECT sum(images) FROM easel.totals WHERE status = 'queued')`,
  );
  if (Number(row?.count) < written) throw unavailable('the database does not keep what is written');
}
