// Somebody with a browser. Whatever the browser complains about (an error on its console, a breach of
// the Content-Security-Policy, a request to another host) fails the test, unless it was announced.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const AXE = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
export const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

let browser;
export async function openBrowser() {
	// Containers and root have no sandbox of Chromium's; it sees pages of this project only.
	browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
}
export const closeBrowser = () => browser.close();

export class Visitor {
	// Options: size, scheme, javaScript.
	static async come(url, { size = 'wide', scheme = 'light', javaScript = true } = {}) {
		const visitor = new Visitor();
		visitor.url = url;
		visitor.complaints = [];
		visitor.expected = [];
		visitor.requests = [];
		visitor.context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, javaScriptEnabled: javaScript });
		await visitor.openPage();
		return visitor;
	}

	// A visit that ends without complaints.
	static async visit(url, options, doing) {
		const visitor = await Visitor.come(url, options);
		try {
			await doing(visitor, visitor.page);
		} catch (error) {
			error.message += `\nThe browser said: ${visitor.complaints.join('\n')}`;
			await visitor.context.close();
			throw error;
		}
		await visitor.leave();
	}

	watch(page) {
		page.on('console', (message) => ['error', 'warning'].includes(message.type()) && this.complaints.push(`${message.text()} ${message.location().url}`));
		page.on('pageerror', (error) => this.complaints.push(error.stack));
		page.on('request', (request) => {
			this.requests.push(request.url());
			if (!request.url().startsWith(this.url)) this.complaints.push(`another host: ${request.url()}`);
		});
	}

	// Whatever the page was about to do, it does not. The next one is the same person's, and empty yet.
	async closePage() {
		await this.page.close();
		await this.openPage();
	}

	async openPage() {
		this.page = await this.context.newPage();
		this.page.setDefaultTimeout(20000);
		this.watch(this.page);
	}

	// The console will tell of answers like these: a status, or what happened to the connection.
	expect(...patterns) { this.expected.push(...patterns); }

	async goto(path) { await this.page.goto(this.url + path); }
	heading(name) { return this.page.getByRole('heading', { name, level: 1 }).waitFor(); }
	button(name) { return this.page.getByRole('button', { name }); }
	link(name) { return this.page.getByRole('link', { name }); }
	notice(text) { return this.page.locator('.notice', { hasText: text }).waitFor(); }

	// `rules`: tags of axe's rules, or their names.
	async assertAccessible(what, rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']) {
		await this.page.evaluate(AXE);
		const found = await this.page.evaluate((runOnly) => globalThis.axe.run({ runOnly, resultTypes: ['violations'] }), rules);
		const words = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('; ')}`);
		assert.deepEqual(words, [], `axe on ${what}`);
	}

	async assertFits(what) {
		const wide = await this.page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] : [...document.querySelectorAll('body *')]
			.filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)));
		assert.deepEqual(wide, [], `${what} is wider than the window`);
	}

	async leave() {
		await this.context.close();
		assert.deepEqual(this.complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text))), []);
	}
}
