import type { OpenAiEdit } from '../../api/openai/requests.ts';
import type { GivenInput } from '../../core/domain/input.ts';
import { type MultipartBody, type Part, textOf, UPLOAD_LIMITS } from '../protocol/multipart.ts';
import type { MultipartRoute } from '../protocol/multipart-bodies.ts';
import { ProblemError } from '../protocol/problem.ts';
import { valueOfText } from './asked-pictures.ts';

/** The pictures of an edit. */
export interface EditPictures {
  readonly inputs: readonly GivenInput[];
  readonly mask: GivenInput | null;
}

/** How forms name the pictures: `image`, `image[]` or `image[0]`. */
const IMAGE = /^image(?:\[(\d{0,4})\])?$/;

/** How `POST /v1/images/edits` takes forms: the texts become the body that the schema validates. */
export const EDIT_FORM: MultipartRoute = {
  limits: UPLOAD_LIMITS,
  toBody: bodyOfForm,
  document: () => ({
    schema: {
      type: 'object',
      description: `The fields of the JSON body as text, and the pictures as files, in any order; at most ${UPLOAD_LIMITS.maxParts} parts.`,
      properties: {
        prompt: { type: 'string' },
        image: { description: 'A picture to start from; repeated, or as `image[]`, for several.' },
        mask: { description: 'A PNG with alpha, for the first picture.' },
      },
      required: ['prompt', 'image'],
      additionalProperties: { type: 'string' },
    },
  }),
};

/** The texts of a form as a JSON body would have them; of several of one name the last counts. */
function bodyOfForm({ parts }: MultipartBody): object {
  return Object.fromEntries(parts.filter((part) => !isPicture(part)).map((part) => [part.name, parameterOf(part)]));
}

function parameterOf(part: Part): unknown {
  const text = textOf(part);
  if (text !== null && !part.isFile) return valueOfText(part.name, text);
  throw invalid(part.name, part.isFile ? 'is not a file of this API; files are image and mask' : 'is not valid UTF-8');
}

/** Whether the part is a picture. Raises `invalid_request` for a text in its place. */
function isPicture({ name, isFile }: Part): boolean {
  const isNamedSo = IMAGE.test(name) || name === 'mask';
  if (isNamedSo && !isFile) throw invalid(name, 'must be a file: a part with a file name or the type of a picture');
  return isNamedSo;
}

/** The pictures of a form, in the order in which they came, those with a number in the order of their numbers. */
export function picturesOfForm({ parts }: MultipartBody): EditPictures {
  const images = parts.filter(({ name }) => IMAGE.test(name));
  const numberOf = ({ name }: Part) => Number(IMAGE.exec(name)?.[1] ?? 0);
  const ordered = images.toSorted((one, other) => numberOf(one) - numberOf(other));
  const [mask, ...more] = parts.filter(({ name }) => name === 'mask');
  if (more.length > 0) throw invalid('mask', 'must come once');
  return checked(
    {
      inputs: ordered.map(({ bytes }, index) => ({ file: `image.${index}`, bytes })),
      mask: mask ? { file: 'mask', bytes: mask.bytes } : null,
    },
    { path: 'image', as: 'a file' },
  );
}

/** The pictures of a JSON body, of which those of data URLs were taken out. Raises `invalid_request` for a data URL that is not base64. */
export function picturesOfJson({ images, mask }: OpenAiEdit, taken: ReadonlyMap<string, Buffer> | null): EditPictures {
  const given = (url: string, path: string): GivenInput => {
    const bytes = taken?.get(url);
    if (bytes !== undefined) return { file: path, bytes };
    if (!/^data:/i.test(url)) return { url };
    throw invalid(path, 'must be a data URL in base64, such as data:image/png;base64,…');
  };
  return checked(
    {
      inputs: (images ?? []).map(({ image_url }, index) => given(image_url ?? '', `images.${index}.image_url`)),
      mask: mask ? given(mask.image_url ?? '', 'mask.image_url') : null,
    },
    { path: 'images', as: '[{"image_url": "https://… or data:…"}]' },
  );
}

/** Raises `invalid_request` where there is no picture to start from, with where one belongs. */
function checked(pictures: EditPictures, where: { readonly path: string; readonly as: string }): EditPictures {
  if (pictures.inputs.length === 0) {
    throw invalid(where.path, `is missing: send at least one picture to start from, as ${where.as}`);
  }
  return pictures;
}

function invalid(path: string, message: string): ProblemError {
  return new ProblemError({ code: 'invalid_request', detail: 'wrong in the body', errors: [{ path, message }] });
}
