/** Loaded ahead of the service: has it throw an error that nothing catches, at SIGWINCH, which means nothing to it. */

process.on('SIGWINCH', () => {
  throw new Error('planted');
});
