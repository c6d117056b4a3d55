// Copies the libraries that the page is made of from node_modules to nginx/html/page/vendor, where
// they are committed, so that building and running the shop needs no npm.
//   npm ci && node vendor.mjs           after a change of versions in package.json
//   npm ci && node vendor.mjs --check   are the committed copies exactly what the lock file says?
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

const from = new URL('node_modules/', import.meta.url);
const to = new URL('../../nginx/html/page/vendor/', import.meta.url);
const check = process.argv.includes('--check');

const files = {
	'preact.js': 'preact/dist/preact.mjs',
	'preact-hooks.js': 'preact/hooks/dist/hooks.mjs',
	'preact.LICENSE': 'preact/LICENSE',
	'htm.js': 'htm/dist/htm.mjs',
	'htm.LICENSE': 'htm/LICENSE',
	'uplot.js': 'uplot/dist/uPlot.esm.js',
	'uplot.css': 'uplot/dist/uPlot.min.css',
	'uplot.LICENSE': 'uplot/LICENSE',
	'literata.woff2': '@fontsource/literata/files/literata-latin-600-normal.woff2',
	'literata.LICENSE': '@fontsource/literata/LICENSE',
};

// A browser finds a module by its address only, and the source maps are not copied.
function adapted(name) {
	const bytes = readFileSync(new URL(files[name], from));
	if (!name.endsWith('.js')) return bytes;
	const text = bytes.toString()
		.replaceAll('from"preact"', 'from"./preact.js"')
		.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n');
	return Buffer.from(text);
}

mkdirSync(to, { recursive: true });
let wrong = 0;
for (const name of Object.keys(files)) {
	const file = new URL(name, to);
	if (!check) writeFileSync(file, adapted(name));
	else if (!existsSync(file) || !readFileSync(file).equals(adapted(name))) {
		console.error(`${name} is not what package-lock.json says`);
		wrong++;
	}
}
for (const name of readdirSync(to)) {
	if (!(name in files)) {
		console.error(`${name} is nobody's`);
		wrong++;
	}
}
process.exitCode = wrong > 0 ? 1 : 0;
