// Those who work in the shop: two at the desk, the operator; and what a customer sees of their work.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Shop, until } from './shop.mjs';
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

describe('the desk', () => {
	it('shows both prices when two people change one', () => visit({}, async (one, page) => {
		one.expect(/status of 412/);
		await visit({}, async (two) => {
			await one.goto('/desk/7');
			await two.goto('/desk/7');
			await one.page.getByLabel('Price in USD').fill('41');
			await two.page.getByLabel('Price in USD').fill('42.50');
			await two.button('Change price').click();
			await two.page.getByText('The price is $42.50 now.').waitFor();
			await one.button('Change price').click();
			await one.notice('Somebody else changed this price');
			assert.equal((await shop.book(7)).price, 42.5);
			await one.button('Set $41.00 all the same').click();
			await page.getByText('The price is $41.00 now.').waitFor();
			assert.equal((await shop.book(7)).price, 41);
		});
	}));

	it('changes stock, adds, imports and withdraws', () => visit({}, async (v, page) => {
		const stock = (await shop.book(7)).quantity;
		await v.goto('/desk/7');
		await page.getByLabel('Copies to add').fill('5');
		await v.button('Change stock').click();
		await page.getByText(`${stock + 5} copies in stock now.`).waitFor();
		await v.link('Add a book').click();
		await page.getByLabel('Title', { exact: true }).fill('Quorum & <Consensus>');
		await page.getByLabel('Topic').fill('distributed systems');
		await page.getByLabel('Price').fill('12.99');
		await v.button('Add the book').click();
		await page.getByText('is in the shop, as number').waitFor();
		await v.link('Quorum & <Consensus>').click();
		await v.button('Buy for $12.99').click();
		await v.notice('Thank you');
		const id = Number(new URL(page.url()).pathname.split('/').pop());
		v.expect(/status of 409/, /status of 422/, /status of 404/);
		await v.goto('/desk/import');
		const csv = `id,title,author,topic,price,quantity\n1,There already,,x,1,1\n901,"A ""quoted"", title",Me,imports,3.50,4\n902,Too dear,Me,imports,1.001,1\n`;
		await page.getByLabel('A CSV file').setInputFiles({ name: 'books.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
		await v.button('Import 3 books').click();
		await page.getByText('Done: 1 added, 1 were there, 1 failed.').waitFor();
		assert.equal((await shop.book(901)).title, 'A "quoted", title');
		await v.goto(`/desk/${id}`);
		await v.button('Withdraw this book').click();
		await v.button('Withdraw it').click();
		await until(async () => (await shop.ask('GET', `/books/${id}`)).status === 404, 'the withdrawal');
	}));
});

describe('an order of several books', () => {
	it('is shown line by line, to the customer and at the desk', () => visit({}, async (v, page) => {
		await shop.setStock(1, 100);
		await shop.setStock(3, 100);
		const { data } = await shop.ask('POST', '/orders', { lines: [{ book_id: 3, quantity: 2 }, { book_id: 1, quantity: 1 }] });
		await v.goto(`/order/${data.order_id}`);
		await page.getByText('Confirmed').waitFor();
		assert.match(await page.locator('main').innerText(), /2 × Xen and the Art.*, \$75\.00 each\s+1 × How to get.*, \$50\.00 each\s+Total\s+\$200\.00/);
		const refusal = await shop.ask('POST', '/orders', { lines: [{ book_id: 3, quantity: 1 }, { book_id: 1, quantity: 1000 }] });
		assert.equal(refusal.available, 99);
		const refused = (await shop.ask('GET', '/orders?limit=1')).data[0].order_id;
		await v.goto(`/order/${refused}`);
		await page.getByText('“Book 1” had fewer copies left than asked for. Nothing was taken.').waitFor();
		await v.goto('/desk/orders');
		const row = page.locator('tbody tr', { hasText: 'How to get a good grade' }).filter({ hasText: 'Confirmed' });
		await row.getByRole('link', { name: 'Xen and the Art of Surviving Undergraduate School' }).waitFor();
		await row.getByText('$200.00').waitFor();
		await v.assertAccessible('orders');
	}));
});

describe('a desk behind a token', () => {
	let guarded;
	before(async () => { guarded = await Shop.open({ BAZAR_ADMIN_TOKEN: 'open-sesame' }); });
	after(() => guarded.close());

	it('opens to the right one', () => Visitor.visit(guarded.url, {}, async (v, page) => {
		v.expect(/status of 401/);
		await v.goto('/desk/1');
		await page.getByLabel('Admin token').fill('a guess');
		await v.button('Open the desk').click();
		await v.notice('not the right one');
		await page.getByLabel('Admin token').fill('open-sesame');
		await v.button('Open the desk').click();
		await page.getByLabel('Price in USD').fill('55');
		await v.button('Change price').click();
		await page.getByText('The price is $55.00 now.').waitFor();
	}));
});

describe('the operator', () => {
	it('sees a replica that is silent, and empties the cache', () => visit({}, async (v, page) => {
		await v.goto('/operations');
		await v.notice('All replicas are well.');
		assert.equal(await page.locator('.replica').count(), 4);
		const silent = await shop.pid('order-2');
		process.kill(silent, 'SIGSTOP');
		try {
			await v.notice(/of 4 replicas need a look/); // the primary too: it cannot write without it
			await page.locator('.replica', { hasText: 'order-2' }).getByText('Does not answer').waitFor();
		} finally {
			process.kill(silent, 'SIGCONT');
		}
		await v.notice('All replicas are well.');
		await v.button('Empty the cache').click();
		await page.getByText('answers were removed.').waitFor();
	}));
});

describe('the operator, while people buy', () => {
	it('sees how many requests there are, and how long they take', () => visit({}, async (v, page) => {
		await v.goto('/operations');
		const plot = (title) => page.locator('.plot', { hasText: title }).locator('figcaption');
		await plot('Requests answered by replicas').getByText(/catalog: [\d.]+ \/s/).waitFor(); // a second look was taken
		let buying = true;
		const buyer = (async () => { while (buying) await shop.ask('POST', '/buy/1'); })();
		try {
			await plot('Requests answered by replicas').getByText(/orders: [1-9]/).waitFor();
			await plot('Answer time of orders').getByText(/median: [\d.]+ ms/).waitFor();
			await plot('Answer time of orders').getByText(/99 %: [\d.]+ ms/).waitFor();
		} finally {
			buying = false;
			await buyer;
		}
		await plot('Answer time of orders').getByText('median: –').waitFor();
	}));
});

describe('a book that somebody looks at', () => {
	it('shows what others buy', () => visit({}, async (v, page) => {
		await shop.setStock(6, 50);
		await v.goto('/book/6');
		await page.getByText('50 copies on the shelf now').waitFor();
		await shop.setStock(6, 49);
		await page.getByText('49 copies on the shelf now').waitFor();
	}));
});
