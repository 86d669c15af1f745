import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const OPS = fileURLToPath(new URL('../../ops/', import.meta.url));
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const promtool = (args: readonly string[], input?: string) =>
  execFileSync('promtool', args, { cwd: OPS, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

describe.skipIf(!hasPromtool)(
  `promtool${hasPromtool ? '' : ' (skipped: install it, Debian has it in the package prometheus)'}`,
  () => {
    it('accepts the scrape configuration, with the file of the key beside it, and the alert rules', async () => {
      await using folder = await temporaryFolder();
      cpSync(OPS, folder.path, { recursive: true });
      writeFileSync(`${folder.path}/easel-metrics.key`, 'secret');
      const checked = promtool(['check', 'config', `${folder.path}/prometheus.yml`]);
      for (const name of ['alerts.yml', 'replicas.yml']) {
        const { length } = readFileSync(`${OPS}${name}`, 'utf8').match(/- (?:alert|record):/g) ?? [];
        expect(checked).toContain(`${length} rules found`);
      }
    });

    it('passes the alert tests: each alert fires when it should, and only then', () => {
      expect(promtool(['test', 'rules', 'alerts.test.yml'])).toContain('SUCCESS');
    }, 300_000);

    it('passes the tests of the recording rules: counters of replicas are summed, what all share is counted once', () => {
      expect(promtool(['test', 'rules', 'replicas.test.yml'])).toContain('SUCCESS');
    }, 300_000);

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
  for (const file of readdirSync(OPS).filter((name) => !name.endsWith('.test.yml'))) {
    const used = readFileSync(`${OPS}${file}`, 'utf8').match(/\b(easel|nodejs|process)_[a-z0-9_]+/g) ?? [];
    expect(
      [...new Set(used)].filter((name) => !known.has(name)),
      file,
    ).toEqual([]);
  }
});

it('every alert says what is wrong, what that means, and where the documentation has more, and is tested', () => {
  const rules = readFileSync(`${OPS}alerts.yml`, 'utf8').split('- alert: ').slice(1);
  const tests = readFileSync(`${OPS}alerts.test.yml`, 'utf8');
  expect(rules.length).toBeGreaterThan(20);
  for (const rule of rules) {
    const name = rule.split('\n', 1)[0] ?? '';
    expect(rule).toMatch(/severity: (page|ticket)/);
    expect(rule).toMatch(/summary: \S/);
    expect(rule).toMatch(/description: \S/);
    expect(rule).toContain(`runbook_url: docs/operations.md#${name.toLowerCase()}\n`);
    expect(tests).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:`));
  }
});

it('every recording rule is tested', () => {
  const names = [...readFileSync(`${OPS}replicas.yml`, 'utf8').matchAll(/- record: (\S+)/g)].map(([, name]) => name);
  const tests = readFileSync(`${OPS}replicas.test.yml`, 'utf8');
  expect(names.length).toBeGreaterThan(5);
  expect(names.filter((name) => !tests.includes(`- expr: ${name}\n`))).toEqual([]);
});
