// Where the bundle was loaded from; its other files lie beside it. The classic bundle is built with another
// `import.meta.url` (see build.mjs).

export const scriptUrl = import.meta.url;
