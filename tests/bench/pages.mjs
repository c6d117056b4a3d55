// Lighthouse on the shop's views, in a shop of 10,000 books: on a phone whose network and processor are
// slow, and on a wide screen. Saved with the reports in build/bench.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launch } from 'chrome-launcher';
import lighthouse, { desktopConfig } from 'lighthouse';
import { BUILD, Shop } from '../browser/shop.mjs';

const WANTED = 95;
const VIEWS = { front: '/', topic: '/topic/1900s', find: '/find?q=volume+book', book: '/book/1', plain: '/?plain', docs: '/docs' };
const WIDE = ['front', 'book']; // a phone is the harder case
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];
const ROUNDS = 3; // medians

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function score(url, port, config, name) {
	const rounds = [];
	for (let i = 0; i < ROUNDS; i++) {
		const { lhr, report } = await lighthouse(url, { port, logLevel: 'error', output: 'html', onlyCategories: CATEGORIES }, config);
		if (lhr.runtimeError) throw new Error(`${name}: ${lhr.runtimeError.message}`);
		await writeFile(join(BUILD, 'bench', `${name}.html`), report);
		rounds.push(CATEGORIES.map((c) => Math.round(lhr.categories[c].score * 100)));
	}
	return Object.fromEntries(CATEGORIES.map((c, i) => [c, median(rounds.map((r) => r[i]))]));
}

await mkdir(join(BUILD, 'bench'), { recursive: true });
const shop = await Shop.open();
const chrome = await launch({ chromePath: process.env.CHROMIUM ?? '/usr/bin/chromium', chromeFlags: ['--headless=new', '--no-sandbox'] });
const results = {};
try {
	await shop.stockUp(10000);
	console.log(`\nLighthouse over 10,000 books, medians of ${ROUNDS}, at least ${WANTED} wanted\n  ${''.padEnd(16)}${CATEGORIES.map((c) => c.padStart(16)).join('')}`);
	for (const [form, config] of [['phone', undefined], ['wide', desktopConfig]]) {
		for (const [view, path] of Object.entries(VIEWS).filter(([v]) => !config || WIDE.includes(v))) {
			const name = `${view}, ${form}`;
			results[name] = await score(shop.url + path, chrome.port, config, `${view}-${form}`);
			const missed = CATEGORIES.some((c) => results[name][c] < WANTED);
			console.log(`  ${name.padEnd(16)}${CATEGORIES.map((c) => String(results[name][c]).padStart(16)).join('')}   ${missed ? 'MISSED' : 'met'}`);
		}
	}
} finally {
	await chrome.kill();
	await shop.close();
}
await writeFile(join(BUILD, 'bench', 'lighthouse.json'), `${JSON.stringify(results, null, 2)}\n`);
