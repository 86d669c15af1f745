/** The files that run many replicas: the profile `cluster` of compose.yaml, nginx in front, and Kubernetes. */

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { readConfig } from '../../src/config/config.ts';
import { settings } from '../../src/config/settings.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startNginx } from './nginx.ts';
import { startReplica } from './replica.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string) => readFileSync(join(PROJECT, name), 'utf8');
const hasTool = (tool: string, flag = '--version') => spawnSync(tool, [flag]).status === 0;
const unless = (tool: string, debian: string, flag?: string) =>
  hasTool(tool, flag) ? tool : `${tool} (skipped: Debian has it in ${debian})`;

/** Settings that another room adds, or AWS's own, which the SDK reads by itself. */
const OTHERS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const OF_CLUSTER = ['ROLE', 'DATABASE_POOL', 'S3_BUCKET', 'S3_ENDPOINT', 'S3_REGION', 'S3_PREFIX'];
const isSetting = (name: string) => Object.hasOwn(settings, name) || [...OTHERS, ...OF_CLUSTER].includes(name);

const GRACE_SECONDS = readConfig({}).shutdownGraceMs / 1000;

describe('the profile cluster of compose.yaml', () => {
  const service = z.object({
    profiles: z.array(z.string()).optional(),
    image: z.string(),
    ports: z.array(z.string()).optional(),
    environment: z.record(z.string(), z.string()).optional(),
    deploy: z.object({ replicas: z.number() }).optional(),
    healthcheck: z.object({ test: z.array(z.string()) }).optional(),
    volumes: z.array(z.string()).optional(),
    stop_grace_period: z.string().optional(),
    depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  });
  const { services } = z.object({ services: z.record(z.string(), service) }).parse(parse(read('compose.yaml')));
  const replica = services.replica as z.infer<typeof service>;
  const environment = replica.environment ?? {};

  it('leaves the default profile with Easel alone', () => {
    const plain = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    expect(plain.map(([name]) => name)).toEqual(['easel']);
    for (const [name, { profiles }] of Object.entries(services)) {
      if (name !== 'easel') expect(profiles).toEqual(['cluster']);
    }
  });

  it('runs three replicas that keep nothing on disk, and a stop of as long as calls may take', () => {
    expect(replica.deploy?.replicas).toBe(3);
    expect(replica.volumes).toBeUndefined();
    expect(replica.stop_grace_period).toBe(`${GRACE_SECONDS}s`);
    expect(Object.keys(environment).filter((name) => !isSetting(name))).toEqual([]);
  });

  it('opens nginx alone, on loopback, and checks the health of every service that goes on', () => {
    const open = Object.entries(services).filter(([name, { ports }]) => name !== 'easel' && ports !== undefined);
    expect(open.map(([name, { ports }]) => [name, ports])).toEqual([['nginx', ['127.0.0.1:8080:8080']]]);
    for (const [name, { healthcheck }] of Object.entries(services)) {
      expect(healthcheck !== undefined, name).toBe(name !== 'bucket');
    }
  });

  it('starts what a replica needs before it, and gives it their names and passwords', () => {
    expect(Object.keys(replica.depends_on ?? {})).toEqual(['postgres', 'bucket']);
    expect(environment.DATABASE_URL).toContain(`@postgres:5432/${services.postgres?.environment?.POSTGRES_DB}`);
    expect(environment.DATABASE_URL).toContain('$' + '{POSTGRES_PASSWORD:-}');
    expect(services.postgres?.environment?.POSTGRES_PASSWORD).toBe('$' + '{POSTGRES_PASSWORD:-}');
    expect(environment.AWS_ACCESS_KEY_ID).toBe(services.s3?.environment?.MINIO_ROOT_USER);
    expect(environment.AWS_SECRET_ACCESS_KEY).toBe(services.s3?.environment?.MINIO_ROOT_PASSWORD);
    expect(environment.S3_ENDPOINT).toBe('http://s3:9000');
  });

  it.skipIf(!hasTool('docker-compose'))(`is accepted by ${unless('docker-compose', 'docker-compose')}`, async () => {
    await using folder = await temporaryFolder();
    copyFileSync(join(PROJECT, 'compose.yaml'), join(folder.path, 'compose.yaml'));
    writeFileSync(join(folder.path, 'api-keys'), '');
    const options = { cwd: folder.path, encoding: 'utf8' } as const;
    expect(execFileSync('docker-compose', ['--profile', 'cluster', 'config', '-q'], options)).toBe('');
    const names = execFileSync('docker-compose', ['--profile', 'cluster', 'config', '--services'], options);
    expect(names.trim().split('\n').toSorted()).toEqual(Object.keys(services).toSorted());
  });
});

describe.skipIf(!hasTool('nginx', '-v'))(`ops/nginx.conf with ${unless('nginx', 'nginx-light', '-v')}`, () => {
  it('is accepted as it is', () => {
    const { status, stderr } = spawnSync('nginx', ['-t', '-c', join(PROJECT, 'ops/nginx.conf')], { encoding: 'utf8' });
    expect({ status, stderr }).toMatchObject({ status: 0 });
  });

  it('passes events on at once, uploads as they come, and a call that is waited for', async () => {
    await using replica = await startReplica();
    await using nginx = await startNginx(read('ops/nginx.conf'), replica.port);

    const events = await fetch(`${nginx.url}/images/a/events`);
    const reader = events.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1\n\n');
    await reader?.cancel();

    // The replica sees the head of the upload while its body is still to come.
    const upload = replica.upload();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const answer = fetch(`${nginx.url}/images`, { method: 'POST', body: readable, duplex: 'half' } as RequestInit);
    await writer.write(new TextEncoder().encode('first'));
    const { headers, body } = await upload;
    expect(headers['x-forwarded-for']).toBe('127.0.0.1');
    expect(headers['x-forwarded-proto']).toBe('http');
    expect(headers.host).toBe(new URL(nginx.url).host);
    const [chunk] = await once(body, 'data');
    expect(String(chunk)).toBe('first');
    await writer.close();
    expect((await answer).status).toBe(201);
  });

  it('hides the figures of one replica, and passes on the rest', async () => {
    await using replica = await startReplica();
    await using nginx = await startNginx(read('ops/nginx.conf'), replica.port);
    expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404);
    const picture = await fetch(`${nginx.url}/media/a.png?v=1`);
    expect([picture.status, picture.headers.get('etag'), await picture.text()]).toEqual([
      200,
      '"1"',
      '/media/a.png?v=1',
    ]);
  });
});

describe('ops/kubernetes.yaml', () => {
  const documents = parseAllDocuments(read('ops/kubernetes.yaml')).map((document) => document.toJSON());
  const object = z.object({ apiVersion: z.string(), kind: z.string(), metadata: z.object({ name: z.string() }) });
  const objects = z.array(object.loose()).parse(documents);
  const find = (kind: string, name: string) => {
    const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  };
  const labels = z.record(z.string(), z.string());
  const probe = z.strictObject({
    httpGet: z.strictObject({ path: z.string(), port: z.literal('http') }),
    periodSeconds: z.number(),
    timeoutSeconds: z.number().optional(),
    failureThreshold: z.number().optional(),
  });
  const container = z.strictObject({
    name: z.literal('easel'),
    image: z.string(),
    ports: z.tuple([z.strictObject({ name: z.literal('http'), containerPort: z.literal(3000) })]),
    env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
    envFrom: z.array(z.record(z.string(), z.strictObject({ name: z.string() }))),
    startupProbe: probe,
    livenessProbe: probe,
    readinessProbe: probe,
    lifecycle: z
      .strictObject({ preStop: z.strictObject({ sleep: z.strictObject({ seconds: z.number() }) }) })
      .optional(),
    resources: z.strictObject({ requests: labels, limits: labels }),
    securityContext: z.strictObject({
      allowPrivilegeEscalation: z.literal(false),
      readOnlyRootFilesystem: z.literal(true),
      capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
    }),
    volumeMounts: z.array(
      z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }),
    ),
  });
  const pod = z.strictObject({
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: z.number(),
    securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.literal(1000) }),
    topologySpreadConstraints: z.array(z.object({ labelSelector: z.object({ matchLabels: labels }) })),
    containers: z.tuple([container]),
    volumes: z.array(z.object({ name: z.string() })),
  });
  const deployment = z.object({
    spec: z.strictObject({
      revisionHistoryLimit: z.number(),
      strategy: z.object({ type: z.literal('RollingUpdate') }),
      selector: z.object({ matchLabels: labels }),
      template: z.object({ metadata: z.object({ labels }), spec: pod }),
    }),
  });
  const scaler = z.object({
    spec: z.object({
      scaleTargetRef: z.object({ kind: z.literal('Deployment'), name: z.string() }),
      minReplicas: z.number().min(2),
      maxReplicas: z.number(),
      metrics: z.array(z.object({ external: z.object({ metric: z.object({ name: z.string() }) }).optional() })),
    }),
  });
  const roles = ['api', 'worker'] as const;
  const deployments = roles.map((role) => ({ role, ...deployment.parse(find('Deployment', `easel-${role}`)).spec }));

  it.each(deployments)('$role: every selector finds its pods, and every volume and port is there', (one) => {
    const { role, selector, template } = one;
    const { labels: own } = template.metadata;
    expect(own['app.kubernetes.io/component']).toBe(role);
    const budget = z.object({ spec: z.object({ selector: z.object({ matchLabels: labels }) }) });
    const { matchLabels } = budget.parse(find('PodDisruptionBudget', `easel-${role}`)).spec.selector;
    const spread = template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector.matchLabels);
    for (const selected of [selector.matchLabels, matchLabels, ...spread]) expect(own).toMatchObject(selected);
    const [easel] = template.spec.containers;
    expect(new Set(easel.volumeMounts.map(({ name }) => name))).toEqual(
      new Set(template.spec.volumes.map(({ name }) => name)),
    );
    // Kubernetes counts the pause before the signal too.
    const pause = easel.lifecycle?.preStop.sleep.seconds ?? 0;
    expect(template.spec.terminationGracePeriodSeconds).toBe(GRACE_SECONDS + pause);
    expect(easel.env[0]).toEqual({ name: 'ROLE', value: role });
    const paths = [easel.startupProbe, easel.livenessProbe, easel.readinessProbe].map(({ httpGet }) => httpGet.path);
    expect(paths).toEqual(['/health/live', '/health/live', role === 'api' ? '/health/live' : '/health/ready']);
  });

  it('the service leads to the pods that answer, and no worker', () => {
    const { selector } = z.object({ spec: z.object({ selector: labels }) }).parse(find('Service', 'easel')).spec;
    const [api, worker] = deployments.map(({ template }) => template.metadata.labels);
    expect(api).toMatchObject(selector);
    expect(worker).not.toMatchObject(selector);
  });

  it('scales each deployment, workers by a metric that the rule of prometheus-adapter makes', () => {
    const metrics = roles.flatMap((role) => {
      const { spec } = scaler.parse(find('HorizontalPodAutoscaler', `easel-${role}`));
      expect(spec.scaleTargetRef.name).toBe(`easel-${role}`);
      expect(spec.maxReplicas).toBeGreaterThan(spec.minReplicas);
      return spec.metrics.flatMap(({ external }) => external?.metric.name ?? []);
    });
    const adapter = z.object({ data: z.object({ 'config.yaml': z.string() }) });
    const { data } = adapter.parse(find('ConfigMap', 'easel-prometheus-adapter'));
    const rule = z.object({ name: z.object({ as: z.string() }), metricsQuery: z.string() });
    const { externalRules } = z.object({ externalRules: z.array(rule) }).parse(parse(data['config.yaml']));
    expect(metrics).toEqual(externalRules.map(({ name }) => name.as));
    expect(externalRules[0]?.metricsQuery).toContain('max(easel_queue_jobs');
  });

  it('names only settings that there are, and says how many connections they make', () => {
    const { data } = z.object({ data: labels }).parse(find('ConfigMap', 'easel'));
    const named = [
      ...Object.keys(data),
      ...deployments.flatMap(({ template }) => template.spec.containers[0].env.map(({ name }) => name)),
      ...[...read('ops/kubernetes.yaml').matchAll(/--from-literal=([A-Z0-9_]+)=/g)].map(([, name = '']) => name),
    ];
    expect(named.filter((name) => !isSetting(name) && name !== 'OPENAI_API_KEY')).toEqual([]);
    const [api = 0, worker = 0] = roles.map(
      (role) => scaler.parse(find('HorizontalPodAutoscaler', `easel-${role}`)).spec.maxReplicas,
    );
    expect(read('ops/kubernetes.yaml')).toContain(
      `(${api} + ${worker}) x (DATABASE_POOL + 2) = ${(api + worker) * (Number(data.DATABASE_POOL) + 2)}`,
    );
  });
});
