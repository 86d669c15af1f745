import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';
import { PAGE_POLICY } from '../access/security-headers.ts';

/** The OpenAPI document at `/openapi.json`, and Swagger UI at `/docs`, which loads nothing from other hosts. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  await app.register(fastifySwaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
};
