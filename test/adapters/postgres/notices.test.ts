import { expect, it } from 'vitest';
import type { PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import { createNotices } from '../../../src/adapters/postgres/notices.ts';
import { openReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

it('sends what comes meanwhile together, each notice once, and what could not be sent again', async () => {
  const test = await createTestDatabase();
  await using replica = await openReplica(test);
  const heard: string[] = [];
  await replica.session.listen('easel_test', {
    message: (payload) => heard.push(payload),
    reconnected: () => undefined,
  });
  let isFailing = true;
  let statements = 0;
  const write: PostgresDatabase['write'] = async (text, values) => {
    statements += 1;
    if (isFailing) throw new Error('no');
    return await replica.database.write(text, values);
  };
  const notices = createNotices({ write });
  notices.send('easel_test', 'first');
  await until(() => statements === 1);
  isFailing = false;
  for (const payload of ['second', 'third', 'second']) notices.send('easel_test', payload);
  await until(() => heard.length === 3);
  expect(heard).toEqual(expect.arrayContaining(['first', 'second', 'third']));
  expect(statements).toBe(2);
  await notices.close();
  notices.send('easel_test', 'late');
  expect(statements).toBe(2);
  await replica.session.close();
  await test.drop().catch(() => undefined);
});
