import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { toUsageReport, usageQuery, usageReport } from '../../api/usage.ts';
import type { Images } from '../../core/images/images.ts';
import type { Identify } from '../access/auth.ts';
import { json, problems } from '../openapi/responses.ts';

interface UsageRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
}

/** `GET /usage`. */
export const usageRoutes: FastifyPluginAsyncZod<UsageRoutesOptions> = async (app, { images, identify }) => {
  app.get('/usage', {
    schema: {
      operationId: 'getUsage',
      tags: ['operations'],
      summary: 'What pictures have cost',
      description:
        'By day (UTC), model and API key, days without any included, and how the budget of today stands. A key sees what was made under ' +
        'its name, one with `read-all` or `admin` sees all. Deleting a picture changes nothing here. A call whose outcome is unknown ' +
        'counts at its estimate.',
      querystring: usageQuery,
      response: {
        200: json('The report.', usageReport),
        ...problems('invalid_request', 'unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const report = await images.usage(request.query, identify(request));
      return reply.header('cache-control', 'no-store').send(toUsageReport(report));
    },
  });
};
