/** A fastify app with the plugins, the logger and the type provider that Easel has, and next to nothing behind them. */

import type { AddressInfo } from 'node:net';
import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import fastifyRateLimit from '@fastify/rate-limit';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { fastify, LogController } from 'fastify';
import {
  type FastifyPluginAsyncZod,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { pino } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { z } from 'zod';

const register = new Registry();
collectDefaultMetrics({ register });
const app = fastify({ loggerInstance: pino(), logController: new LogController({ disableRequestLogging: true }) });
app.setValidatorCompiler(validatorCompiler);
app.setSerializerCompiler(serializerCompiler);
await app.register(fastifyCors, { origin: ['https://example.org'] });
await app.register(fastifyHelmet, {});
await app.register(fastifyRateLimit, { global: false });
await app.register(fastifySwagger, {
  openapi: { openapi: '3.1.0', info: { title: 'Bare', version: '1' } },
  transform: jsonSchemaTransform,
});
await app.register(fastifySwaggerUi, { routePrefix: '/docs' });
const routes: FastifyPluginAsyncZod = async (scope) => {
  const params = z.object({ id: z.string().max(64) });
  const answer = z.object({ id: z.string(), note: z.string().nullable() });
  const note = async ({ params: { id } }: { readonly params: { readonly id: string } }) => ({ id, note: null });
  scope.get('/health/ready', async () => ({ status: 'ok' }));
  scope.get('/metrics', async () => await register.metrics());
  scope.get('/notes/:id', { schema: { params, response: { 200: answer } } }, note);
  scope.post('/notes/:id', { schema: { params, body: answer, response: { 200: answer } } }, note);
};
await app.register(routes);
await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
