import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';

const OPS = fileURLToPath(new URL('../../ops/', import.meta.url));
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const promtool = (args: readonly string[], input?: string) =>
  execFileSync('promtool', args, { cwd: OPS, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

describe.skipIf(!hasPromtool)(
  `promtool${hasPromtool ? '' : ' (skipped: install it, Debian has it in the package prometheus)'}`,
  () => {
    it('accepts the scrape configuration and the alert rules', () => {
      expect(promtool(['check', 'config', 'prometheus.yml'])).toContain('16 rules found');
    });

    it('passes the alert tests: each alert fires when it should, and only then', () => {
      expect(promtool(['test', 'rules', 'alerts.test.yml'])).toContain('SUCCESS');
    });

    it('accepts the output of /metrics', async () => {
      await using easel = await startEasel();
      await easel.post({ prompt: 'a lighthouse' });
      const metrics = await (await easel.get('/metrics')).text();
      expect(promtool(['check', 'metrics'], metrics)).toBe('');
    });
  },
);

it('every metric in a rule or a panel exists', async () => {
  await using easel = await startEasel();
  const metrics = await (await easel.get('/metrics')).text();
  const known = new Set(
    [...metrics.matchAll(/^# TYPE (\S+) (\S+)/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  );
  for (const file of readdirSync(OPS).filter((name) => name !== 'alerts.test.yml')) {
    const used = readFileSync(`${OPS}${file}`, 'utf8').match(/\b(easel|nodejs|process)_[a-z0-9_]+/g) ?? [];
    expect(
      [...new Set(used)].filter((name) => !known.has(name)),
      file,
    ).toEqual([]);
  }
});
