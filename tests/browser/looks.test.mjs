// Every view at two sizes, in both colour schemes: no barrier that axe knows of, nothing wider than the
// window, and a picture of each in screenshots/, for somebody to look at.
import { mkdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { VIEWS, open, stocked } from './views.mjs';
import { SIZES, Visitor, closeBrowser, openBrowser } from './visitor.mjs';

const PICTURES = new URL('screenshots/', import.meta.url).pathname;
let shop;
before(async () => {
	mkdirSync(PICTURES, { recursive: true });
	await openBrowser();
	shop = await stocked();
});
after(async () => {
	await closeBrowser();
	await shop?.close();
});

async function look(v, name) {
	const what = `${name} at ${v.page.url()}`;
	await v.assertFits(what);
	await v.assertAccessible(what);
	await v.page.screenshot({ path: `${PICTURES}${name}.png`, fullPage: true });
}

for (const size of Object.keys(SIZES)) {
	for (const scheme of ['light', 'dark']) {
		describe(`${size}, ${scheme}`, () => {
			it('every view', () => Visitor.visit(shop.url, { size, scheme }, async (v) => {
				v.expect(/status of 404/);
				for (const [name, path] of Object.entries(VIEWS)) {
					await open(v, path);
					await look(v, `${name}-${size}-${scheme}`);
				}
			}));

			it('what comes of buying', () => Visitor.visit(shop.url, { size, scheme }, async (v, page) => {
				v.expect(/status of 409/, /ERR_FAILED/);
				await v.goto('/book/1');
				await v.button(/^Buy for/).click();
				await v.notice('Thank you');
				await look(v, `bought-${size}-${scheme}`);
				await page.locator('.order-number').click();
				await v.heading('Order');
				await page.getByText('Confirmed').waitFor();
				await look(v, `order-${size}-${scheme}`);
				await v.link('My orders').first().click();
				await page.getByText('1 order from this device').waitFor();
				await look(v, `purchases-one-${size}-${scheme}`);

				await v.goto('/book/2');
				await page.getByLabel('Quantity').fill('3');
				const old = await shop.ask('GET', '/info/2');
				await page.route('**/info/2', (route) => route.fulfill({ json: old }));
				await shop.setStock(2, 2);
				await v.button('Buy for $150.00').click();
				await v.notice('Only 2 left');
				await look(v, `refused-${size}-${scheme}`);
				await shop.setStock(2, 3);

				await page.route('**/buy/**', (route) => route.abort());
				await v.goto('/book/5');
				await v.button(/^Buy for/).click();
				await v.notice('got lost on the way');
				await look(v, `lost-${size}-${scheme}`);
			}));

			it('the cart', () => Visitor.visit(shop.url, { size, scheme }, async (v, page) => {
				v.expect(/status of 409/, /ERR_FAILED/);
				for (const id of [1, 2, 6]) {
					await v.goto(`/book/${id}`);
					await v.button('Add to cart').click();
					await page.getByText('1 copy in the cart').waitFor();
				}
				await look(v, `put-in-cart-${size}-${scheme}`);
				await v.link('See the cart').click();
				await v.button(/^Buy all 3 for/).waitFor();
				await look(v, `cart-filled-${size}-${scheme}`);
				const old = await shop.ask('GET', '/info/2');
				await page.route('**/info/2', (route) => route.fulfill({ json: old }));
				await page.getByLabel('Quantity of RPCs for Noobs').fill('3');
				await shop.setStock(2, 2);
				await v.button(/^Buy all 3 for/).click();
				await v.notice('Nothing was ordered');
				await look(v, `cart-refused-${size}-${scheme}`);
				await shop.setStock(2, 3);
				await page.unroute('**/info/2');
				await v.button('Take 2').click();
				await page.route('**/orders', (route) => route.abort());
				await v.button(/^Buy all 3 for/).click();
				await v.notice('got lost on the way');
				await look(v, `cart-lost-${size}-${scheme}`);
				await page.unroute('**/orders');
				await v.notice('All of it is yours');
				await look(v, `cart-bought-${size}-${scheme}`);
				await page.locator('.order-number').click();
				await v.heading('Order');
				await page.getByText('Confirmed').waitFor();
				await look(v, `order-of-cart-${size}-${scheme}`);
				await shop.setStock(2, 3);
			}));
		});
	}
}
