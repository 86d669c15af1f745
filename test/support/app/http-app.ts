import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createMetrics } from '../../../src/adapters/telemetry/prometheus.ts';
import { readConfig } from '../../../src/config/config.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { type AppConfig, type AppOverrides, type AppServices, buildApp } from '../../../src/http/app.ts';
import { createFakeCalls } from './fake-calls.ts';
import { createFakeImages, exampleRecord, type FakeImages } from './fake-images.ts';

export interface HttpApp extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly images: FakeImages;
  readonly port: number;
  /** Where media files are served from. */
  readonly root: string;
  /** What was logged, line by line. */
  readonly log: Record<string, unknown>[];
  /** Sends the bytes unchanged and resolves with all that comes back until the server ends the connection. */
  raw(...chunks: readonly (string | Buffer)[]): Promise<string>;
}

/** The HTTP interface with fake use cases, listening on a free port. */
export async function openHttpApp(
  services: Partial<AppServices> | ((root: string) => Promise<Partial<AppServices>>) = {},
  config: Partial<AppConfig> = {},
  overrides: Partial<AppOverrides> = {},
): Promise<HttpApp> {
  const root = await mkdtemp(join(tmpdir(), 'easel-http-'));
  const images = createFakeImages();
  const log: Record<string, unknown>[] = [];
  const healthy = async () => ({ status: 'ok' as const });
  const app = await buildApp(
    { ...readConfig({}).server, version: '1.2.3', ...config },
    {
      images,
      calls: createFakeCalls(),
      callDefaults: { model: 'gpt-image-2', sizeFor: () => ({ width: 1024, height: 1024 }) },
      pictures: {
        find: async () => null,
        makeThumbnail: async () => null,
        open: async () => null,
        read: async () => null,
      },
      keys: { inUse: false, find: () => null },
      toRecord: exampleRecord,
      links: null,
      metrics: createMetrics({
        queueDepth: async () => ({ waiting: 0, running: 0, deferred: 0 }),
        mediaBytes: async () => 0,
        freeBytes: async () => null,
        storage: () => [],
        unreadableRecords: () => 0,
        breakers: () => [],
        spentToday: async () => [],
        reserved: async () => 0,
        budget: { usdPerDay: null, usdPerDayOfKey: new Map() },
        shutdowns: () => [],
        models: [],
        version: '1.2.3',
      }),
      checks: { storage: healthy, database: healthy, queue: healthy, providers: healthy },
      tracer: NO_TRACING,
      clock: {
        now: () => Date.now(),
        monotonic: () => performance.now(),
        sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
      },
      stopping: () => false,
      providerUsable: () => true,
      logger: pino({ level: 'debug' }, { write: (line: string) => log.push(JSON.parse(line)) }),
      ...(typeof services === 'function' ? await services(root) : services),
    },
    overrides,
  );
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    app,
    images,
    port,
    root,
    log,
    raw: (...chunks) => exchange(port, chunks),
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function exchange(port: number, chunks: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => received.push(chunk));
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  for (const chunk of chunks) socket.write(chunk);
  try {
    await ended;
  } finally {
    socket.destroy();
  }
  return Buffer.concat(received).toString();
}
