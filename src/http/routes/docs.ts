import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';
import { PAGE_POLICY } from '../access/security-headers.ts';

const ICON = {
  filename: 'icon.svg',
  rel: 'icon',
  type: 'image/svg+xml',
  sizes: 'any',
  content:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="#2a4d69" stroke-width="2.5" ' +
    'stroke-linecap="round"><path d="M16 3v4M7 29l5-9M25 29l-5-9M16 20v8"/>' +
    '<rect x="5" y="7" width="22" height="13" rx="1.5" fill="#f2b705"/></svg>',
};

/** Hides Swagger UI's bar, which bears another project's name and opens documents of other services. */
const STYLE = { filename: 'easel.css', content: '.swagger-ui .topbar { display: none }' };

/** The OpenAPI document at `/openapi.json`, and Swagger UI at `/docs`, which loads nothing from other hosts. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    theme: { title: 'Easel', favicon: [ICON], css: [STYLE] },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
};
