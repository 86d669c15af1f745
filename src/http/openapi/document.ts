import fastifySwagger, { type SwaggerTransform, type SwaggerTransformObject } from '@fastify/swagger';
import type { FastifyContextConfig, FastifyInstance } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { webhooks } from '../../api/deliveries.ts';

const DESCRIPTION = `Makes pictures with image models and keeps them.

POST a prompt or a brief to \`/images\`; browsers fetch the picture from \`/media/…\`. A picture that was paid for is
never lost and never paid for twice where that can be known; where it cannot, the record's \`attempts\` say so.

Every error is \`application/problem+json\` (RFC 9457) with a \`code\` from a closed list.`;

/** Makes the OpenAPI document of the routes that are registered after it: `app.swagger()`. */
export async function documentRoutes(app: FastifyInstance, version: string, publicUrl: string | null): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Easel',
        version,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: publicUrl ?? '/' }],
      security: [{ bearer: [] }, { apiKey: [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key, where any are configured.' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same in a header of its own.' },
        },
      },
      tags: [
        { name: 'images', description: 'Make pictures and follow them.' },
        { name: 'openai', description: 'The images API of OpenAI, for clients that speak it.' },
        { name: 'media', description: 'The files.' },
        { name: 'operations', description: 'For those who run the service.' },
      ],
    },
    transform,
    transformObject,
  });
}

type ZodToJsonConfig = NonNullable<NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig']>;

type Answer = z.ZodType | { readonly headers?: unknown; readonly content: Readonly<Record<string, object>> };

interface Document {
  readonly paths?: Readonly<Record<string, object>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, object>> };
}

const SCHEMAS = '#/components/schemas/';
/**
 * The order of the document's schemas; schemas that are not listed follow by name. zod lists them in the order in which their
 * modules were loaded, so without this a changed import would change the document.
 */
export const SCHEMA_ORDER = [
  'Brief',
  'NamedPicture',
  'CreateImage',
  'PatchImage',
  'CleanupOrder',
  'ProblemCode',
  'Problem',
  'ImageStatus',
  'Rendition',
  'Thumbnail',
  'PendingRendition',
  'Check',
  'Attempt',
  'Cost',
  'Warning',
  'ImageFailure',
  'InputSource',
  'ImageRequest',
  'ImageRecord',
  'ImagePreview',
  'ImageList',
  'LabelList',
  'CleanupReport',
  'LastCleanup',
  'HealthCheck',
  'Health',
  'Delivery',
  'DeliveryList',
  'DeliverySummary',
  'DeliveryPage',
  'StatusReport',
  'StatusEvent',
  'PartialPicture',
  'PartialEvent',
  'DoneEvent',
  'DeletedEvent',
  'ImageEvent',
  'FeedCreated',
  'FeedStatus',
  'FeedPartial',
  'FeedDone',
  'FeedChanged',
  'FeedDeleted',
  'FeedReset',
  'FeedEvent',
  'Preview',
  'RetryCost',
  'Usage',
  'Whoami',
  'ProviderState',
  'Instance',
  'Operations',
  'PresetBrief',
  'PresetChecks',
  'PresetReference',
  'Preset',
  'PresetList',
  'ModelSizeList',
  'ModelSizeRange',
  'TokenPrices',
  'PicturePrice',
  'Model',
  'ModelList',
  'EmbeddedMetadata',
  'ContentCredentials',
  'InputProvenance',
  'OriginalProvenance',
  'FileProvenance',
  'Provenance',
  'OpenAiGeneration',
  'OpenAiImageReference',
  'OpenAiEdit',
  'OpenAiErrorObject',
  'OpenAiError',
  'OpenAiUsage',
  'OpenAiPicture',
  'OpenAiPictures',
  'OpenAiStreamEvent',
  'OpenAiTask',
  'OpenAiModel',
  'OpenAiModels',
];
/** Marks an operation with an optional body; set by `transform`, removed by `transformObject`. */
const OPTIONAL_BODY = 'x-optional-body';
/** Has what an operation says of multipart bodies; likewise. */
const MULTIPART_BODY = 'x-multipart-body';

const zodToJsonConfig: ZodToJsonConfig = {
  override: ({ zodSchema, jsonSchema }) => {
    // zod leaves out the examples of transformed schemas, since they could be outputs. Here they are always inputs.
    const examples = z.globalRegistry.get(zodSchema)?.examples;
    if (Array.isArray(examples) && jsonSchema.$ref === undefined) jsonSchema.examples = examples;
    // The bounds of safe integers in JavaScript are no part of the contract.
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    // zod marks read-only arrays. Generators then make a second type of each schema around one, for writing.
    delete jsonSchema.readOnly;
    // An answer without a body, as in the library's own override, which this one replaces.
    if (zodSchema._zod.def.type === 'undefined') jsonSchema.type = 'null';
  },
};
const schemasToJson = createJsonSchemaTransform({ zodToJsonConfig });
const componentsToJson = createJsonSchemaTransformObject({ zodToJsonConfig });

/** A route's schemas as JSON Schema. Adds the headers and examples of responses, which the library drops. */
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
      if ('codes' in media) Object.assign(target.content[type] ?? {}, { schema: problemOf(media.codes) });
    }
  }
  const { multipart } = (route.route.config ?? {}) as FastifyContextConfig;
  if (multipart) Object.assign(schema, { [MULTIPART_BODY]: multipart.document(schema?.body ?? {}) });
  if (body?.safeParse(undefined).success) Object.assign(schema, { [OPTIONAL_BODY]: true });
  return { schema, url };
};

/**
 * Finishes the document. The library writes every named schema twice, as `Name` for answers and `NameInput` for requests:
 * unused ones are removed, and a request's schema takes the plain name where that is free, or has the same schema.
 */
const transformObject: SwaggerTransformObject = (routes) => {
  const { components, ...document } = componentsToJson(routes) as Document;
  const schemas = components?.schemas ?? {};

  const used = new Set<string>();
  const follow = (part: unknown): void => {
    for (const name of referencedSchemas(part)) {
      if (used.has(name)) continue;
      used.add(name);
      follow(schemas[name]);
    }
  };
  follow(document.paths);

  const plainName = (name: string) => {
    const plain = name.replace(/Input$/, '');
    return used.has(plain) && !isSameSchema(schemas[name], schemas[plain]) ? name : plain;
  };
  const kept = Object.entries(schemas).filter(([name]) => used.has(name));
  const named = kept.map(([name, schema]): [string, object] => [plainName(name), schema]);
  named.sort(([a], [b]) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1));

  return JSON.parse(
    JSON.stringify({ ...document, webhooks, components: { ...components, schemas: Object.fromEntries(named) } }),
    (key, value) => {
      if (key === '$ref') return SCHEMAS + plainName(value.slice(SCHEMAS.length));
      // Fastify adds a HEAD to every GET; it would repeat the operationId.
      if (value?.get !== undefined) delete value.head;
      if (value?.[MULTIPART_BODY] !== undefined) {
        value.requestBody.content['multipart/form-data'] = value[MULTIPART_BODY];
        delete value[MULTIPART_BODY];
      }
      if (value?.[OPTIONAL_BODY] === true) {
        delete value[OPTIONAL_BODY];
        delete value.requestBody.required;
      }
      return value;
    },
  );
};

/** The schema of a problem with one of these codes. */
function problemOf(codes: unknown): object {
  return { allOf: [{ $ref: `${SCHEMAS}Problem` }, { type: 'object', properties: { code: { enum: codes } } }] };
}

function placeOf(schema: string): number {
  const place = SCHEMA_ORDER.indexOf(schema);
  return place === -1 ? SCHEMA_ORDER.length : place;
}

/** True when requests and answers may share the schema: it differs in the names that it refers to at most. */
function isSameSchema(ofRequests: unknown, ofAnswers: unknown): boolean {
  const text = (schema: unknown) => JSON.stringify(schema).replaceAll(/("#\/components\/schemas\/\w+?)Input"/g, '$1"');
  return text(ofRequests) === text(ofAnswers);
}

/** Names of the component schemas that `part` refers to. */
function referencedSchemas(part: unknown): string[] {
  const refs = JSON.stringify(part ?? null).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
  return [...refs].flatMap(([, name]) => name ?? []);
}
