/** The condition on a row of images that its document can be read. */
export const IS_READABLE = 'easel.is_readable(images.media_id, images.document)';
