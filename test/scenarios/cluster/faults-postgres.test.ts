import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HEARTBEAT_SECONDS } from '../../../src/adapters/queue/job-schema.ts';
import { picture } from '../../support/openai/answers.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';
import { until } from '../../support/until.ts';
import { post } from '../../torture/life.ts';
import { submit, threeReplicas, untilEachWorks, untilStatus } from './three-replicas.ts';

describe('replicas whose PostgreSQL is lost for a while', () => {
  it('go on with the calls that were out, each of them paid once, when its connections end, it starts again, or is away', async () => {
    await using trial = await threeReplicas();
    const { upstream, cluster } = trial;
    await trial.start('A', 'B', 'C');
    const outages: Readonly<Record<string, () => Promise<unknown>>> = {
      terminated: () => cluster.terminateConnections(),
      restarted: async () => {
        await cluster.postgres.kill();
        await cluster.postgres.restart();
      },
      down: async () => {
        await cluster.postgres.kill();
        // For longer than a job may be without a heartbeat.
        await delay((HEARTBEAT_SECONDS + 2) * 1_000);
        await cluster.postgres.restart();
      },
    };
    for (const [name, outage] of Object.entries(outages)) {
      const gate = upstream.gate();
      const before = upstream.calls.length;
      const mediaIds = cluster.replicas.map((replica) => `${name}-${replica.name.toLowerCase()}-out`);
      upstream.script(...mediaIds.map(() => picture({ beforeHeaders: gate })));
      for (const [index, mediaId] of mediaIds.entries()) await submit(cluster.replicas[index]?.url ?? '', mediaId);
      await upstream.received(before + mediaIds.length);
      await outage();
      gate.open();
      for (const mediaId of mediaIds) {
        await untilStatus(cluster.replicas[0]?.url ?? '', mediaId, 'succeeded');
        expect(await trial.outcomes(mediaId), mediaId).toEqual(['ok']);
      }
      expect(upstream.calls, name).toHaveLength(before + mediaIds.length);
      await untilEachWorks(cluster.replicas, name);
    }
  });

  it.skipIf(!canMountTmpfs)(
    'refuse requests while its disk is full, lose none, and work again when there is room',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'easel-full-'));
      // PostgreSQL runs as another user, who has to get to its disk.
      await chmod(folder, 0o711);
      const disk = await mountTmpfs(join(folder, 'disk'), '220m');
      try {
        await using trial = await threeReplicas({
          dataFolder: join(disk.path, 'postgres'),
          postgresSettings: { max_wal_size: '48MB', min_wal_size: '32MB' },
        });
        const { upstream, cluster } = trial;
        await trial.start('A', 'B', 'C');
        const gate = upstream.gate();
        upstream.script(picture({ beforeHeaders: gate }));
        const [{ url } = { url: '' }] = cluster.replicas;
        await submit(url, 'out');
        await upstream.received(1);
        await disk.fill();
        gate.open();
        const accepted: string[] = [];
        // The log of the database still has room in the file that it writes: until that is full, requests are accepted.
        for (let number = 0; accepted.length === number; number += 1) {
          const reply = await post(
            url,
            { mediaId: `full-${number}`, prompt: 'x'.repeat(20_000) },
            { prefer: 'respond-async' },
          );
          if (reply.status === 202) accepted.push(`full-${number}`);
          else expect([503, 507]).toContain(reply.status);
        }
        await disk.empty();
        // Without room for its log it ends by itself.
        const isUp = await cluster.query('SELECT 1').then(
          () => true,
          () => false,
        );
        if (!isUp) await cluster.postgres.restart();
        for (const mediaId of ['out', ...accepted]) {
          await untilStatus(url, mediaId, 'succeeded');
          expect(await trial.outcomes(mediaId), mediaId).toEqual(['ok']);
        }
        await untilEachWorks(cluster.replicas, 'after-full');
      } finally {
        await disk.unmount();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});

describe('a replica whose network to PostgreSQL is cut', () => {
  it('says so, and works again without a restart when the network is back', async () => {
    await using trial = await threeReplicas();
    const { upstream, cluster, replica } = trial;
    await trial.start('A', 'B', 'C');
    const cut = replica('A');
    for (const state of ['stalled', 'refused'] as const) {
      cut.network.set(state);
      await until(async () => (await fetch(`${cut.url}/health/ready`)).status === 503);
      const other = await post(replica('B').url, { mediaId: `${state}-elsewhere`, prompt: state });
      expect(other.status, state).toBe(201);
      cut.network.set('open');
      await untilEachWorks(cluster.replicas, state);
    }
    cut.network.reset();
    await untilEachWorks(cluster.replicas, 'reset');
    expect(new Set(upstream.calls.map(({ body }) => body.prompt)).size).toBe(upstream.calls.length);
  });
});
