// What every part of the page draws with: Preact, its hooks, and htm, which reads HTML-like
// templates in the browser, so that nothing needs compiling.
import { h, render } from './vendor/preact.js';
import htm from './vendor/htm.js';

export { render };
export { useEffect, useRef, useState } from './vendor/preact-hooks.js';
export const html = htm.bind(h);
