// No view has a barrier that axe knows of, in either colour scheme, or is wider than a phone: the short
// run; looks.test.mjs looks at every size.
import { after, before, it } from 'node:test';
import { VIEWS, open, stocked } from './views.mjs';
import { Visitor, closeBrowser, openBrowser } from './visitor.mjs';

let shop, visitor;
before(async () => {
	await openBrowser();
	shop = await stocked();
	visitor = await Visitor.come(shop.url, { size: 'phone' });
	visitor.expect(/status of 404/);
});
after(async () => {
	await closeBrowser();
	await shop?.close();
});

for (const [name, path] of Object.entries(VIEWS)) {
	it(`${name} is open to everybody`, async () => {
		await open(visitor, path);
		await visitor.assertFits(name);
		await visitor.assertAccessible(name);
		if (name === 'docs') return; // a very long page in colours that the others have, too
		await visitor.page.emulateMedia({ colorScheme: 'dark' });
		await visitor.assertAccessible(`${name}, dark`, ['color-contrast']);
		await visitor.page.emulateMedia({ colorScheme: 'light' });
	});
}

it('and the browser has nothing to complain about', () => visitor.leave());
