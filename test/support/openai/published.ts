import { z } from 'zod';
import published from './published-images.json' with { type: 'json' };

/** The schemas of OpenAI's published description that are about images; the file names its source and date. */
type PublishedName = keyof typeof published.components.schemas;

/** `not` only says that a reference has not both of its fields. */
const text = JSON.stringify(published.components.schemas, (key, value) => (key === 'not' ? undefined : value));
const definitions = JSON.parse(text.replaceAll('#/components/schemas/', '#/definitions/'));

/** The schema of this name; a request or an answer that fails it is none of the published API. */
export function publishedSchema(name: PublishedName): z.ZodType {
  return z.fromJSONSchema({ definitions, ...definitions[name] }, { defaultTarget: 'openapi-3.0' });
}

/** Names of the parameters of a published request. */
export function publishedParameters(
  name: 'CreateImageRequest' | 'CreateImageEditRequest' | 'EditImageBodyJsonParam',
): readonly string[] {
  return Object.keys(published.components.schemas[name].properties);
}
