import { ImageError } from '../domain/errors.ts';
import type { EditLimits } from '../domain/model.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { Upstreams } from './upstreams.ts';

/**
 * The limits on the inputs of a request that brings so many: the widest of the models that could make it and take them together with the
 * references of its preset. `request` has no inputs yet. Raises `unsupported_parameter` where none of them can edit, or takes so many, and
 * what `candidates` raises.
 */
export function createInputLimits(upstreams: Pick<Upstreams, 'candidates'>) {
  return (request: ImageRequest, inputs: number): EditLimits => {
    const limits = upstreams.candidates(request).flatMap(({ plan }) => plan.call.model.edits ?? []);
    if (limits.length === 0) {
      throw unsupported(`${request.model} cannot start from pictures`, 'choose a model that edits, or leave them out');
    }
    const most = Math.max(...limits.map(({ images }) => images));
    const references = request.references?.length ?? 0;
    const fitting = limits.filter(({ images }) => images >= inputs + references);
    if (fitting.length === 0) {
      const laidUnder = references === 0 ? '' : `, and ${request.preset} brings ${references} more`;
      throw unsupported(
        `${request.model} takes ${most} inputs at most, and these are ${inputs}${laidUnder}`,
        `at most ${most - references}`,
      );
    }
    return {
      images: most,
      imageBytes: Math.max(...fitting.map(({ imageBytes }) => imageBytes)),
      maskBytes: Math.max(...fitting.map(({ maskBytes }) => maskBytes)),
    };
  };
}

function unsupported(detail: string, message: string): ImageError {
  return new ImageError('unsupported_parameter', detail, { paths: [{ path: 'inputs', message }] });
}
