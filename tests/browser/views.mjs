// The views of the page, by name: their addresses in a shop that has something of everything.
import { Shop } from './shop.mjs';

export const VIEWS = {
	front: '/', topic: '/topic/distributed%20systems', find: '/find?q=undergrad', 'find-nothing': '/find?q=zzz', book: '/book/1',
	'book-sold-out': '/book/4', 'book-unknown': '/book/999', cart: '/cart', purchases: '/purchases', desk: '/desk', 'desk-book': '/desk/1', 'desk-low': '/desk/low',
	'desk-orders': '/desk/orders', 'desk-add': '/desk/add', 'desk-import': '/desk/import', operations: '/operations', problem: '/problems/sold-out', docs: '/docs',
	plain: '/?plain', 'plain-topic': '/topic/distributed%20systems?plain', 'plain-nothing': '/find?plain&q=zzz', 'plain-book': '/book/1?plain',
	'plain-unknown': '/book/999?plain', 'plain-desk': '/desk?plain',
};

// A book that is sold out, and one that nearly is.
export async function stocked() {
	const shop = await Shop.open();
	await shop.setStock(4, 0);
	await shop.setStock(2, 3);
	return shop;
}

// Goes there, and waits until everything is drawn.
export async function open(v, path) {
	await v.goto(path);
	await v.page.getByRole('heading', { level: 1 }).first().waitFor();
	await v.page.waitForFunction(() => !document.querySelector('.waiting, .shelf-empty'));
	await v.page.evaluate(() => document.fonts.ready);
}
