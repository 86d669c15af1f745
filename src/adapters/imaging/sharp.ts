import sharp from 'sharp';

/**
 * Configures sharp for this process; call it once, before the first picture.
 *
 * - No operation cache: every picture is decoded once, so a cache would only hold memory.
 * - One libvips thread per operation: pictures are processed in parallel instead. Measured on 2 cores with two pictures at
 *   a time (1792x1024 to a 1200x675 png): 22.5 a second with one thread each, 18.9 with two.
 */
export function configureSharp(): void {
  sharp.cache(false);
  sharp.concurrency(1);
}
