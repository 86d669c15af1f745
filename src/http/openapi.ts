import fastifySwagger, { type SwaggerTransform, type SwaggerTransformObject } from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { webhooks } from './delivery-schemas.ts';
import { describeProblem, type Fault, PROBLEMS, type ProblemCode, problem } from './problem.ts';
import { PAGE_POLICY } from './security-headers.ts';

const DESCRIPTION = `Makes pictures with image models and keeps them.

POST a prompt or a brief to \`/images\`; browsers fetch the picture from \`/media/…\`. A picture that was paid for is
never lost and never paid for twice where that can be known; where it cannot, the record's \`attempts\` say so.

Every error is \`application/problem+json\` (RFC 9457) with a \`code\` from a closed list.`;

/** Documents the routes that are registered after it. */
export async function documentRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Easel',
        version,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      security: [{ bearer: [] }, { apiKey: [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key, where any are configured.' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same in a header of its own.' },
        },
      },
      tags: [
        { name: 'images', description: 'Make pictures and follow them.' },
        { name: 'media', description: 'The files.' },
        { name: 'operations', description: 'For those who run the service.' },
      ],
    },
    transform,
    transformObject,
  });
}

/** The OpenAPI document at `/openapi.json`, and pages made from it at `/docs`, which need nothing from outside. */
export const docsRoutes: FastifyPluginAsync = async (app) => {
  await app.register(fastifySwaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
};

type ZodToJsonConfig = NonNullable<NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig']>;

type Header = Readonly<Record<string, unknown>>;

/** A JSON answer, for a route's `response`. */
export function json<S extends z.ZodType>(description: string, schema: S, headers?: Readonly<Record<string, Header>>) {
  return { description, headers, content: { 'application/json': { schema } } };
}

/** The problems that a route may answer with, by status, each with an example. */
export function problems(...codes: readonly ProblemCode[]) {
  const byStatus = Object.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
        content: {
          'application/problem+json': {
            schema: problem,
            examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }])),
          },
        },
      },
    ]),
  );
}

/** Details worth more than the title, for the problems that a stranger meets first. */
const DETAILS: Partial<Record<ProblemCode, Omit<Fault, 'code'>>> = {
  invalid_request: {
    detail: 'wrong in the body: `size`; see errors',
    errors: [{ path: 'size', message: 'must be WIDTHxHEIGHT in pixels with the letter x between, such as 1792x1024' }],
  },
  unauthorized: { detail: 'the API key is not known here' },
  forbidden: { detail: 'the API key blog lacks the scope generate' },
  rate_limited: {
    detail: 'at most 60 requests of this kind a minute; nothing was accepted or paid',
    retryAfter: 42,
  },
  media_id_conflict: {
    detail: 'mediaId article-42-hero is in use for another request; choose another, or DELETE it first',
    mediaId: 'article-42-hero',
  },
  unsupported_parameter: { detail: 'gpt-image-2 has no quality hd' },
  provider_failed: { detail: 'openai failed 4 times, at last with status 500', mediaId: 'article-42-hero' },
};

function exampleOf(code: ProblemCode) {
  const fault = { code, ...(DETAILS[code] ?? { detail: `${PROBLEMS[code].title}.` }) };
  return describeProblem(fault, '/images', '0b9f6c1e-7c1e-4f0e-9a55-0d2f8a9d4d1b');
}

// ---------------------------------------------- from schemas to document

type Answer = z.ZodType | { readonly headers?: unknown; readonly content: Readonly<Record<string, object>> };

interface Document {
  readonly paths?: Readonly<Record<string, object>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
}

const SCHEMAS = '#/components/schemas/';
/** Marks an operation whose body may be left out, on the way from `transform` to `transformObject`. */
const OPTIONAL_BODY = 'x-optional-body';

const zodToJsonConfig: ZodToJsonConfig = {
  override: ({ zodSchema, jsonSchema }) => {
    // zod leaves out the examples of what is transformed, since they might be of the far side. Ours are of the near one.
    const examples = z.globalRegistry.get(zodSchema)?.examples;
    if (Array.isArray(examples) && jsonSchema.$ref === undefined) jsonSchema.examples = examples;
    // The bounds of exact integers in JavaScript say nothing about the contract.
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    // As the library has it in the override that this one replaces: an answer without a body.
    if (zodSchema._zod.def.type === 'undefined') jsonSchema.type = 'null';
  },
};
const schemasToJson = createJsonSchemaTransform({ zodToJsonConfig });
const componentsToJson = createJsonSchemaTransformObject({ zodToJsonConfig });

/** A route's schemas as JSON Schema. The library keeps neither headers nor examples of answers with content types. */
const transform: SwaggerTransform = (route) => {
  const { schema, url } = schemasToJson(route);
  const { body, response = {} } = (route.schema ?? {}) as { body?: z.ZodType; response?: Record<string, Answer> };
  const documented = (schema?.response ?? {}) as Record<string, { content: Record<string, object> } & object>;
  for (const [status, answer] of Object.entries(response)) {
    const target = documented[status];
    if (target === undefined || !('content' in answer)) continue;
    Object.assign(target, answer.headers !== undefined && { headers: answer.headers });
    for (const [type, media] of Object.entries(answer.content)) {
      Object.assign(target.content[type] ?? {}, 'examples' in media && { examples: media.examples });
    }
  }
  if (body?.safeParse(undefined).success) Object.assign(schema, { [OPTIONAL_BODY]: true });
  return { schema, url };
};

/**
 * The finished document. The library writes every named schema twice, as `Name` for answers and `NameInput` for requests:
 * what nothing refers to goes, and a request's schema takes the plain name where that is free.
 */
const transformObject: SwaggerTransformObject = (routes) => {
  const { components, ...document } = componentsToJson(routes) as Document;
  const schemas = components?.schemas ?? {};

  const used = new Set<string>();
  const follow = (part: unknown): void => {
    for (const name of referredIn(part)) {
      if (used.has(name)) continue;
      used.add(name);
      follow(schemas[name]);
    }
  };
  follow(document.paths);

  const plainName = (name: string) => {
    const plain = name.replace(/Input$/, '');
    return used.has(plain) ? name : plain;
  };
  const kept = Object.entries(schemas).filter(([name]) => used.has(name));
  const named = Object.fromEntries(kept.map(([name, schema]) => [plainName(name), schema]));

  return JSON.parse(
    JSON.stringify({ ...document, webhooks, components: { ...components, schemas: named } }),
    (key, value) => {
      if (key === '$ref') return SCHEMAS + plainName(value.slice(SCHEMAS.length));
      // A HEAD is a GET without its body, and would bear the same operationId.
      if (value?.get !== undefined) delete value.head;
      if (value?.[OPTIONAL_BODY] === true) {
        delete value[OPTIONAL_BODY];
        delete value.requestBody.required;
      }
      return value;
    },
  );
};

/** Names of the component schemas that `part` refers to. */
function referredIn(part: unknown): string[] {
  const refs = JSON.stringify(part ?? null).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
  return [...refs].flatMap(([, name]) => name ?? []);
}
