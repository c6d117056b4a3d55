// What a customer does, and what may go wrong meanwhile: the short run, in `make check`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { Shop, Way, until } from './shop.mjs';
import { Visitor, closeBrowser, openBrowser } from './visitor.mjs';

let shop;
before(async () => {
	await openBrowser();
	shop = await Shop.open();
});
after(async () => {
	await closeBrowser();
	await shop?.close();
});

const visit = (options, doing, url = shop.url) => Visitor.visit(url, options, doing);

describe('shopping', () => {
	it('leads from a topic to a book, and back', () => visit({}, async (v, page) => {
		await v.goto('/');
		await v.heading('A bookshop that keeps its word');
		const topic = page.locator('.topics a', { hasText: 'distributed systems' });
		assert.equal(await topic.locator('.number').textContent(), '2 books');
		await topic.click();
		await v.heading('distributed systems');
		assert.equal(await page.title(), 'distributed systems · Bazar.com');
		await v.link('RPCs for Noobs').click();
		await v.heading('RPCs for Noobs');
		assert.equal(new URL(page.url()).pathname, '/book/2');
		assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
		await page.locator('.price', { hasText: '$50.00' }).waitFor();
		await page.goBack();
		await v.heading('distributed systems');
		await page.goBack();
		await v.heading('A bookshop that keeps its word');
	}));

	it('finds books while the customer types', () => visit({}, async (v, page) => {
		await v.goto('/');
		const box = page.getByRole('searchbox');
		await box.pressSequentially('spring vall');
		await v.link('Spring in the Pioneer Valley').waitFor();
		assert.equal(await page.evaluate(() => document.activeElement.id), 'q', 'the box keeps the focus');
		await box.fill('nothing like it');
		await page.getByText('Nothing matches all these words').waitFor();
		await box.fill('cooking');
		await page.getByText('1 book', { exact: true }).waitFor();
		await page.reload();
		await v.link('Cooking for the Impatient Undergrad').waitFor();
		assert.equal(await box.inputValue(), 'cooking');
	}));

	it('sells several copies and tells the order number', () => visit({}, async (v, page) => {
		await shop.setStock(3, 100);
		await v.goto('/book/3');
		await page.getByLabel('Quantity').fill('2');
		await v.button('One more').click();
		await v.button('Buy for $225.00').click();
		await v.notice('Thank you');
		const [order] = await shop.ordersOf(3);
		assert.equal(order.quantity, 3);
		await page.getByText('97 copies on the shelf now').waitFor();
		await v.link(order.order_id).click();
		await v.heading('Order');
		await page.getByText('Confirmed').waitFor();
		await v.link('My orders').first().click();
		await page.getByText('1 order from this device').waitFor();
		assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((name) => name.includes('intent')).length), 0);
	}));

	it('can be done with the keyboard alone', () => visit({}, async (v, page) => {
		const before = (await shop.ordersOf(5)).length;
		await v.goto('/book/5');
		await v.button('Buy for $60.00').waitFor();
		for (let i = 0; i < 20; i++) {
			await page.keyboard.press('Tab');
			if ((await page.evaluate(() => document.activeElement.textContent)).includes('Buy for')) break;
		}
		await page.keyboard.press('Enter');
		await v.notice('Thank you');
		assert.equal((await shop.ordersOf(5)).length, before + 1);
		await v.assertAccessible('a purchase');
	}));

	it('says that the last copy went to somebody else', () => visit({}, async (v, page) => {
		v.expect(/status of 409/);
		await shop.setStock(4, 1);
		await v.goto('/book/4');
		await page.getByText('Only 1 left').waitFor();
		// Until he presses the button, the customer looks at what was true a moment ago.
		const old = await shop.ask('GET', '/info/4');
		let pressed = false;
		page.on('request', (request) => { pressed ||= request.method() === 'POST'; });
		await page.route('**/info/4', (route) => (pressed ? route.continue() : route.fulfill({ json: old })));
		assert.equal((await shop.ask('POST', '/buy/4')).status, 200);
		await v.button('Buy for $50.00').click();
		await v.notice('Nothing was ordered');
		await page.getByRole('button', { name: 'Sold out', disabled: true }).waitFor();
		assert.equal((await shop.book(4)).quantity, 0);
	}));

	it('can be read without JavaScript', () => visit({ javaScript: false }, async (v, page) => {
		await v.goto('/book/1');
		await v.heading('How to get a good grade in DOS in 40 minutes a day');
		await v.link('All topics').click();
		await v.link('undergraduate school').click();
		await v.link('Cooking for the Impatient Undergrad').click();
		await v.heading('Cooking for the Impatient Undergrad');
		assert.match(await page.locator('main').innerText(), /50\.00 USD/);
		await page.getByRole('searchbox').fill('xen surviv');
		await v.button('Search').click();
		await v.link('Xen and the Art of Surviving Undergraduate School').waitFor();
		assert.equal(await page.getByRole('searchbox').inputValue(), 'xen surviv');
	}));
});

describe('a lost answer', () => {
	let way;
	before(async () => { way = await Way.to(shop); });
	after(() => way.close());
	const lossy = (doing) => visit({}, async (v, page) => {
		v.expect(/ERR_EMPTY_RESPONSE|ERR_CONNECTION|ERR_SOCKET/);
		await doing(v, page);
	}, way.url);

	it('is asked for again, and it is one order', () => lossy(async (v) => {
		await shop.setStock(1, 10);
		const sold = (await shop.ordersOf(1)).length;
		way.lose = (method) => method === 'POST';
		await v.goto('/book/1');
		await v.button('Buy for $50.00').click();
		await v.notice('got lost on the way');
		way.lose = () => false;
		await v.notice('Thank you');
		assert.equal((await shop.ordersOf(1)).length, sold + 1);
		assert.equal((await shop.book(1)).quantity, 9);
	}));

	it('is asked for again after the page was closed, and it is one order', () => lossy(async (v) => {
		await shop.setStock(2, 10);
		const sold = (await shop.ordersOf(2)).length;
		way.lose = (method) => method === 'POST';
		way.lost = 0;
		await v.goto('/book/2');
		await v.button('Buy for $50.00').click();
		await until(() => way.lost > 0, 'a lost answer');
		await v.closePage();
		way.lose = () => false;
		await v.goto('/purchases');
		await v.page.getByText('1 order from this device').waitFor();
		assert.equal((await shop.ordersOf(2)).length, sold + 1);
		assert.equal((await shop.book(2)).quantity, 9);
	}));
});

describe('the first page', () => {
	it('is light and calm: few requests, under 100 KB, kept for ever where names tell the content', () => visit({ size: 'phone' }, async (v, page) => {
		await page.addInitScript(() => {
			globalThis.shifted = 0;
			new PerformanceObserver((list) => list.getEntries().forEach((e) => { globalThis.shifted += e.value; })).observe({ type: 'layout-shift', buffered: true });
		});
		// The answers come when the frame has been painted.
		await page.route('**/topics', async (route) => {
			await v.heading('A bookshop that keeps its word');
			await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
			await route.continue();
		});
		let bytes = 0, count = 0;
		page.on('requestfinished', async (request) => {
			count++;
			const sizes = await request.sizes();
			bytes += sizes.responseBodySize + sizes.responseHeadersSize;
		});
		await v.goto('/');
		await page.locator('.card').first().waitFor();
		await page.waitForLoadState('networkidle');
		assert.ok(count > 5 && count <= 24, `${count} requests`);
		assert.ok(bytes > 10000 && bytes < 100 * 1024, `${bytes} bytes`);
		const shifted = await page.evaluate(() => globalThis.shifted);
		assert.ok(shifted < 0.05, `things move while it loads: ${shifted}`);
		const asset = v.requests.find((url) => url.endsWith('/main.js'));
		const answer = await fetch(asset);
		assert.match(answer.headers.get('cache-control'), /immutable/);
		assert.equal(answer.headers.get('content-encoding'), 'gzip');
	}));
});

it('is made of exactly the libraries that the lock file names', () => {
	execFileSync(process.execPath, [new URL('vendor.mjs', import.meta.url).pathname, '--check'], { stdio: 'inherit' });
});

describe('trouble behind the counter', () => {
	it('is not noticed by a customer: replicas are killed while he shops', () => visit({}, async (v, page) => {
		await shop.setStock(5, 20);
		for (const name of ['catalog-2', 'order-1', 'catalog-1', 'order-2']) {
			const sold = (await shop.ordersOf(5)).length;
			await shop.kill(name);
			await v.goto('/topic/project%20management');
			await v.link('How to finish Project 3 on time').click();
			await v.button(/^Buy for/).click();
			await v.notice('Thank you');
			assert.equal((await shop.ordersOf(5)).length, sold + 1, name);
			assert.equal(await page.locator('.notice.bad').count(), 0);
		}
	}));
});

describe('ten thousand books', () => {
	before(() => shop.stockUp(10000));

	it('are counted, paged, sorted and found', () => visit({ size: 'phone' }, async (v, page) => {
		await v.goto('/');
		await page.getByText('10,000 books in ').waitFor();
		const topic = page.locator('.topics a', { hasText: '2000s' });
		const total = await topic.locator('.number').textContent();
		await topic.click();
		await page.getByText(total).waitFor();
		const cards = page.locator('main .books > li');
		await until(async () => (await cards.count()) === 24, '24 books');
		await v.button('Show more').click();
		await until(async () => (await cards.count()) === 48, '48 books');
		await page.getByLabel('Sort by').selectOption('price');
		await until(async () => /sort=price/.test(page.url()) && (await cards.count()) === 24, 'another order');
		await page.getByRole('searchbox').fill('tolkien hobbit');
		await v.link(/^The Hobbit/).first().waitFor();
		await v.assertFits('a search');
	}));
});
