/** The files and commands that run Easel under Docker, Compose, systemd and Kubernetes, as far as that can be tried without them. */

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readConfig } from '../../src/config/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { PROJECT, readPage, readPages, tagValue } from './pages.ts';

const read = (name: string) => readFileSync(join(PROJECT, name), 'utf8');
const hasTool = (tool: string) => spawnSync(tool, ['--version']).status === 0;
const unless = (tool: string, debian: string) =>
  hasTool(tool) ? tool : `${tool} (skipped: Debian has it in ${debian})`;

const dockerfile = read('Dockerfile');
const volumesOfImage: readonly string[] = JSON.parse(/^VOLUME (.*)$/m.exec(dockerfile)?.[1] ?? '[]');
const page = readPage('docs/operations.md');
const pages = readPages().filter(({ name }) => name !== 'CHANGELOG.md');

/** Commands of the pages that begin with these words, on one line. */
const commands = (...words: string[]) =>
  pages
    .flatMap(({ blocks }) => blocks.filter(({ language }) => language === 'sh'))
    .flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n'))
    .filter((line) => line.startsWith(words.join(' ')));

it.each(['README.md', 'docs/operations.md', 'compose.yaml', 'ops/easel.service'])(
  '%s has supervisors wait as long as a stop by default',
  (name) => {
    const times = /(?:--stop-timeout |stop_grace_period: |terminationGracePeriodSeconds: |TimeoutStopSec=)(\d+)/g;
    const seconds = [...read(name).matchAll(times)].map(([, number]) => Number(number));
    expect(new Set(seconds)).toEqual(new Set([readConfig({}).shutdownGraceMs / 1000]));
  },
);

it.skipIf(!hasTool('bash'))('no block that is not run has a mistake of syntax', () => {
  const blocks = pages.flatMap(({ blocks }) => blocks.filter((block) => tagValue(block, 'checked-by') !== null));
  for (const { text, place } of blocks) {
    expect({ place, stderr: spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' }).stderr }).toEqual({
      place,
      stderr: '',
    });
  }
});

it('the image has what the pages run in it', () => {
  const programs = commands('docker').flatMap((line) => /(?<=\snode )\S+/.exec(line) ?? []);
  expect(programs.length).toBeGreaterThan(0);
  for (const program of programs) expect(dockerfile).toContain(`COPY ${program.split('/')[0]} `);
});

describe('docker run in the pages', () => {
  const services = commands('docker run').filter((line) => !line.includes('--rm'));

  it('opens the port on loopback alone, keeps both volumes, and waits for a stop', () => {
    expect(services.length).toBeGreaterThan(1);
    for (const line of services) {
      expect([...line.matchAll(/ -p (\S+)/g)].map(([, port]) => port)).toEqual(['127.0.0.1:3000:3000']);
      for (const volume of volumesOfImage) expect(line).toContain(`:${volume} `);
      expect(line).toContain('--stop-timeout ');
    }
  });

  it('uses only options that docker has', () => {
    // Of `docker run --help`, version 28.
    const known = ['-d', '-e', '-p', '-v', '--name', '--restart', '--rm', '--stop-timeout', '--user', '--volumes-from'];
    const used = commands('docker run').flatMap(
      (line) => line.split(' easel')[0]?.match(/(?<= )--?[a-z][a-z-]*/g) ?? [],
    );
    expect(used.filter((option) => !known.includes(option))).toEqual([]);
  });
});

describe('compose.yaml', () => {
  const mount = z.string().transform((text) => text.split(':'));
  const compose = z
    .object({
      services: z.object({
        easel: z.object({
          ports: z.array(z.string()),
          environment: z.record(z.string(), z.string()),
          secrets: z.array(z.string()),
          volumes: z.array(mount),
          read_only: z.literal(true),
          healthcheck: z.object({ test: z.array(z.string()) }),
        }),
      }),
      secrets: z.record(z.string(), z.object({ file: z.string() })),
      volumes: z.record(z.string(), z.object({ name: z.string() })),
    })
    .parse(parse(read('compose.yaml')));
  const { easel } = compose.services;

  it('opens the port on loopback alone', () => {
    expect(easel.ports).toEqual(['127.0.0.1:3000:3000']);
  });

  it('keeps the volumes of the image under the names that docker run uses', () => {
    const mounts = easel.volumes.map(([name = '', path = '']) => [compose.volumes[name]?.name, path]);
    expect(mounts.map(([, path]) => path)).toEqual(volumesOfImage);
    for (const [name, path] of mounts) expect(commands('docker run').join('\n')).toContain(`-v ${name}:${path}`);
  });

  it('reads keys from a secret that it has', () => {
    expect(easel.environment.API_KEYS_FILE).toBe(`/run/secrets/${easel.secrets[0]}`);
    expect(Object.keys(compose.secrets)).toEqual(easel.secrets);
  });

  it('checks the health by a script that ends with 0 only where the service lives', async () => {
    const [kind, , option = '', script = ''] = easel.healthcheck.test;
    expect([kind, option]).toEqual(['CMD', '-e']);
    expect(script).toContain("'http://127.0.0.1:3000/health/live'");
    const unused = script.replace(':3000', ':1');
    expect(spawnSync(process.execPath, [option, unused]).status).toBe(1);
    expect(
      spawnSync(process.execPath, [option, `globalThis.fetch = async () => ({ ok: true }); ${script}`]).status,
    ).toBe(0);
    expect(
      spawnSync(process.execPath, [option, `globalThis.fetch = async () => ({ ok: false }); ${script}`]).status,
    ).toBe(1);
  });

  it.skipIf(!hasTool('docker-compose'))(`is accepted by ${unless('docker-compose', 'docker-compose')}`, async () => {
    await using folder = await temporaryFolder();
    copyFileSync(join(PROJECT, 'compose.yaml'), join(folder.path, 'compose.yaml'));
    writeFileSync(join(folder.path, 'api-keys'), '');
    expect(execFileSync('docker-compose', ['config', '-q'], { cwd: folder.path, encoding: 'utf8' })).toBe('');
  });
});

describe('ops/easel.service', () => {
  const unit = read('ops/easel.service');
  const values = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

  it('writes only where systemd lets it', () => {
    const folder = `/var/lib/${values('StateDirectory')[0]}`;
    const environment = values('Environment').join(' ');
    expect(environment).toContain(`MEDIA_DIR=${folder}/`);
    expect(environment).toContain(`DATABASE_URL=sqlite:${folder}/`);
    expect(environment).toContain('XDG_CACHE_HOME=/var/cache');
    // Where `bin/easel.js` puts its cache below it.
    expect(values('CacheDirectory')).toEqual(['easel']);
    expect(values('CacheDirectoryMode')).toEqual(['0700']);
    expect(values('ProtectSystem')).toEqual(['strict']);
  });

  it('is installed by the page with the user, the folders and the files that it names', () => {
    const install = page.blocks.find(({ text }) => text.includes('systemctl enable'))?.text ?? '';
    const [user, home, program, environment] = [
      values('User')[0],
      values('WorkingDirectory')[0],
      values('ExecStart')[0]?.split('/node_modules')[0],
      values('EnvironmentFile')[0],
    ];
    for (const part of [`useradd --system --home-dir ${home} `, ` ${user}\n`, ` ${program} `, ` ${environment} `]) {
      expect(install).toContain(part);
    }
  });

  it('does not start a wrong configuration again', () => {
    expect(values('RestartPreventExitStatus')).toEqual(['78']);
  });

  describe.skipIf(!hasTool('systemd-analyze'))(unless('systemd-analyze', 'systemd'), () => {
    it('accepts it, with the program where this checkout has it', async () => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, 'easel.service');
      writeFileSync(path, unit.replaceAll('/opt/easel/', PROJECT));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    });

    it('finds it little exposed', () => {
      const options = [
        'security',
        '--offline=true',
        '--no-pager',
        '--threshold=20',
        join(PROJECT, 'ops/easel.service'),
      ];
      expect(spawnSync('systemd-analyze', options).status).toBe(0);
    });
  });
});

describe('the Kubernetes example', () => {
  const container = z.object({
    ports: z.array(z.object({ containerPort: z.number() })),
    livenessProbe: z.object({ httpGet: z.object({ path: z.string(), port: z.number() }) }),
    readinessProbe: z.object({ httpGet: z.object({ path: z.string(), port: z.number() }) }),
    env: z.array(z.object({ name: z.string(), value: z.string() })),
    volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
  });
  const pod = z.object({ containers: z.tuple([container]), volumes: z.array(z.object({ name: z.string() })) });
  const deployment = z.object({
    spec: z.object({
      replicas: z.literal(1),
      strategy: z.object({ type: z.literal('Recreate') }),
      template: z.object({ spec: pod }),
    }),
  });

  it('mounts the volumes of the image, and probes routes that there are', () => {
    const text = page.blocks.find(({ tags }) => tags.includes('kubernetes'))?.text ?? '';
    const { spec } = deployment.parse(parse(text)).spec.template;
    const [easel] = spec.containers;
    expect(easel.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(expect.arrayContaining([...volumesOfImage]));
    expect(new Set(easel.volumeMounts.map(({ name }) => name))).toEqual(new Set(spec.volumes.map(({ name }) => name)));
    for (const { httpGet } of [easel.livenessProbe, easel.readinessProbe]) {
      expect(httpGet).toEqual({ path: '/health/live', port: easel.ports[0]?.containerPort });
    }
    const keys = easel.env.find(({ name }) => name === 'API_KEYS_FILE')?.value ?? '';
    expect(easel.volumeMounts.some(({ mountPath }) => keys.startsWith(`${mountPath}/`))).toBe(true);
  });
});
