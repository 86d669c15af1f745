import { pino } from 'pino';
import { readConfig } from '../config/config.ts';
import { NO_TRACING } from '../core/ports/tracer.ts';
import { type AppServices, buildApp } from '../http/app.ts';

/** The OpenAPI document that a running service serves at `/openapi.json`, made without starting one. */
export async function describeApi(version: string): Promise<object> {
  const app = await buildApp({ ...readConfig({}).server, version }, uncalledServices());
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

/** Services to register routes with. Calling any of them raises an error. */
function uncalledServices(): AppServices {
  const uncalled = (): never => {
    throw new Error('this app was built for its OpenAPI document only');
  };
  return {
    images: {
      submit: uncalled,
      preview: uncalled,
      waitUntilFinished: uncalled,
      get: uncalled,
      list: uncalled,
      labels: uncalled,
      follow: uncalled,
      followAll: uncalled,
      cancel: uncalled,
      retry: uncalled,
      retryCost: uncalled,
      patch: uncalled,
      remove: uncalled,
      provenance: uncalled,
      deliveries: uncalled,
      redeliver: uncalled,
      listDeliveries: uncalled,
      operations: uncalled,
      models: uncalled,
      presets: uncalled,
      cleanup: uncalled,
      lastCleanup: uncalled,
      usage: uncalled,
    },
    calls: {
      submit: uncalled,
      isKnown: uncalled,
      wait: uncalled,
      noteDelivered: uncalled,
      cancelUnlessAwaited: uncalled,
      find: uncalled,
    },
    callDefaults: { model: '', sizeFor: uncalled },
    pictures: { find: uncalled, makeThumbnail: uncalled, open: uncalled, read: uncalled },
    keys: { inUse: false, find: uncalled },
    toRecord: uncalled,
    links: null,
    metrics: {
      imageEnded: uncalled,
      providerCall: uncalled,
      providerRetry: uncalled,
      accountFault: uncalled,
      stage: uncalled,
      spent: uncalled,
      webhookTried: uncalled,
      cleanupEnded: uncalled,
      countRequest: uncalled,
      expose: uncalled,
    },
    checks: { storage: uncalled, database: uncalled, queue: uncalled, providers: uncalled },
    tracer: NO_TRACING,
    clock: { now: () => 0, monotonic: () => 0, sleep: uncalled },
    stopping: () => false,
    providerUsable: () => true,
    logger: pino({ level: 'silent' }),
  };
}
