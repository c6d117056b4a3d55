// No view has a barrier that axe knows of, in either colour scheme, or is wider than a phone: the short
// run; looks.test.mjs looks at every size.
import { after, before, it } from 'node:test';
import { VIEWS, open, stocked } from './views.mjs';
import { Visitor, closeBrowser, openBrowser } from './visitor.mjs';

let shop;
before(async () => {
	await openBrowser();
	shop = await stocked();
});
after(async () => {
	await closeBrowser();
	await shop?.close();
});

for (const [name, path] of Object.entries(VIEWS)) {
	it(`${name} is open to everybody`, () => Visitor.visit(shop.url, { size: 'phone' }, async (v, page) => {
		v.expect(/status of 404/);
		await open(v, path);
		await v.assertFits(name);
		await v.assertAccessible(name);
		await page.emulateMedia({ colorScheme: 'dark' });
		await v.assertAccessible(`${name}, dark`, ['color-contrast']);
	}));
}
