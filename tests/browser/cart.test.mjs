import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Shop, Way, until } from './shop.mjs';
import { Visitor, closeBrowser, openBrowser } from './visitor.mjs';

let shop, way;
before(async () => {
	await openBrowser();
	shop = await Shop.open();
	way = await Way.to(shop);
});
after(async () => {
	await closeBrowser();
	way?.close();
	await shop?.close();
});

const visit = (doing, url = shop.url) => Visitor.visit(url, {}, doing);
const carts = async () => (await shop.ask('GET', '/orders?limit=1000')).data.filter((o) => o.lines.length > 1);
const intents = (page) => page.evaluate(() => Object.keys(localStorage).filter((name) => name.includes('intent')).length);

// Each book once, from its own page; then the cart.
async function fill(v, ...books) {
	for (const id of books) {
		await v.goto(`/book/${id}`);
		await v.button('Add to cart').click();
		await v.page.getByText('1 copy in the cart').waitFor();
	}
	await v.link('See the cart').click();
	await v.heading('Cart');
}

it('is changed, kept on the device, and bought as one order', () => visit(async (v, page) => {
	await shop.setStock(1, 10);
	await shop.setStock(3, 10);
	const before = (await carts()).length;
	await fill(v, 1, 2, 3);
	await page.getByText('3 books in the cart').waitFor();
	await v.button('Buy all 3 for $175.00').waitFor();
	await page.getByLabel('Quantity of Xen').fill('3');
	await v.button('Remove RPCs for Noobs').click();
	await v.button('Buy all 2 for $275.00').waitFor();
	await page.reload();
	await v.button('Buy all 2 for $275.00').click();
	await v.notice('All of it is yours');
	const [order] = await carts();
	assert.equal((await carts()).length, before + 1);
	assert.deepEqual(order.lines.map((l) => [l.book_id, l.quantity]), [[1, 1], [3, 3]]);
	assert.deepEqual([(await shop.book(1)).quantity, (await shop.book(3)).quantity], [9, 7]);
	assert.equal(await intents(page), 0);
	assert.equal(await page.locator('.cart').count(), 0);
	await v.link(order.order_id).click();
	await v.heading('Order');
	await page.getByText('$275.00').waitFor();
	await v.link('My orders').first().click();
	await v.link(/ and 1 more$/).waitFor();
}));

it('shows at the line what cannot be had, and orders nothing', () => visit(async (v, page) => {
	v.expect(/status of 409/);
	await shop.setStock(2, 10);
	await shop.setStock(4, 5);
	const before = (await carts()).length;
	await fill(v, 2, 4);
	await page.getByLabel('Quantity of Cooking').fill('2');
	// The customer looks at what was true a moment ago.
	const old = await shop.ask('GET', '/info/4');
	await page.route('**/info/4', (route) => route.fulfill({ json: old }));
	await shop.setStock(4, 1);
	await v.button(/^Buy all 2/).click();
	await v.notice('Nothing was ordered');
	const line = page.locator('.cart li', { hasText: 'Cooking' });
	await line.getByText('Only 1 left').waitFor();
	assert.equal(await page.locator('.lack').count(), 1);
	assert.ok(await v.button(/^Buy all 2/).isDisabled());
	assert.equal((await carts()).filter((o) => o.status === 'CONFIRMED').length, before);
	assert.equal((await shop.book(2)).quantity, 10);
	await page.unroute('**/info/4');
	await v.button('Take 1').click();
	await v.button('Buy all 2 for $100.00').click();
	await v.notice('All of it is yours');
	assert.deepEqual([(await shop.book(2)).quantity, (await shop.book(4)).quantity], [9, 0]);
}));

it('is one order when the answer is lost, and the page closed over it', () => visit(async (v) => {
	v.expect(/ERR_EMPTY_RESPONSE|ERR_CONNECTION|ERR_SOCKET/);
	await shop.setStock(5, 10);
	await shop.setStock(6, 10);
	const before = (await carts()).length;
	await fill(v, 5, 6);
	way.lost = 0;
	way.lose = (method) => method === 'POST';
	await v.button(/^Buy all 2/).click();
	await until(() => way.lost > 0, 'a lost answer');
	await v.closePage();
	way.lose = () => false;
	await v.goto('/purchases');
	await v.page.getByText('1 order from this device').waitFor();
	await v.goto('/cart');
	await v.page.getByText('Nothing is in the cart').waitFor();
	assert.equal((await carts()).length, before + 1);
	assert.deepEqual([(await shop.book(5)).quantity, (await shop.book(6)).quantity], [9, 9]);
}, way.url));
