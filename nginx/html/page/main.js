// The page: its frame, and which view stands in it.
import { html, render, useEffect, useRef, useState } from './lib.js';
import { lines } from './cart.js';
import { intents, orders, resume } from './purchase.js';
import { subscribe } from './kept.js';
import { Book, Find, Front, Topic } from './shop.js';
import { Failure, Waiting } from './parts.js';
import { go, useAddress, useTitle } from './route.js';

const TYPING_MS = 180;

// A view that most visitors never see is fetched when it is asked for. After an update of the shop
// its old file is gone: the page loads again, once.
function Later({ module, view, ...props }) {
	const [loaded, setLoaded] = useState({});
	useEffect(() => {
		import(module).then((m) => setLoaded({ View: m[view] }), (error) => setLoaded({ error }));
	}, [module]);
	if (loaded.error) return html`<${Failure} error=${new Error('The shop was updated.')} retry=${() => location.reload()} />`;
	return loaded.View ? html`<${loaded.View} ...${props} />` : html`<${Waiting} />`;
}

function NotFound() {
	useTitle('Not found');
	return html`<h1>There is nothing here</h1><p><a href="/">All topics</a></p>`;
}

function View({ address }) {
	const [, first, ...rest] = address.pathname.split('/');
	let one = rest.join('/');
	try {
		one = decodeURIComponent(one);
	} catch { /* shown as it is */ }
	switch (first) {
	case '': return html`<${Front} />`;
	case 'topic': return html`<${Topic} key=${one} topic=${one} address=${address} />`;
	case 'find': return html`<${Find} query=${(address.searchParams.get('q') ?? '').trim()} address=${address} />`;
	case 'book': return html`<${Book} key=${one} id=${one} />`;
	case 'cart': return html`<${Later} key="cart" module="./cart-view.js" view="Cart" />`;
	case 'purchases': return html`<${Later} key="purchases" module="./purchases.js" view="Purchases" />`;
	case 'order': return html`<${Later} key=${one} module="./purchases.js" view="Order" id=${one} />`;
	case 'desk': return html`<${Later} key="desk" module="./desk.js" view="Desk" part=${one} address=${address} />`;
	case 'operations': return html`<${Later} key="operations" module="./operations.js" view="Operations" />`;
	default: return html`<${NotFound} />`;
	}
}

function Search({ address }) {
	const inQuery = address.pathname === '/find' ? address.searchParams.get('q') ?? '' : '';
	const [text, setText] = useState(inQuery);
	const timer = useRef(0), asked = useRef(inQuery);
	// An address that did not come from typing is shown; one that did is older than what was typed since.
	useEffect(() => {
		if (inQuery !== asked.current) setText(inQuery);
		asked.current = inQuery;
	}, [inQuery]);
	const find = (words) => {
		clearTimeout(timer.current);
		asked.current = words;
		const there = location.pathname === '/find';
		if (words || there) go(words ? `/find?q=${encodeURIComponent(words)}` : '/find', { replace: there, focus: false });
	};
	const typed = (event) => {
		setText(event.target.value);
		clearTimeout(timer.current);
		timer.current = setTimeout(find, TYPING_MS, event.target.value.trim());
	};
	return html`<form role="search" class="search" action="/find" onSubmit=${(e) => { e.preventDefault(); find(text.trim()); }}>
		<label class="unseen" for="q">Search by title or author</label>
		<input id="q" name="q" type="search" value=${text} placeholder="Title or author" autocomplete="off" spellcheck="false" onInput=${typed} />
	</form>`;
}

function Page() {
	const address = useAddress();
	const [, draw] = useState(0);
	const main = useRef(null), arrived = useRef(false);
	useEffect(() => subscribe(() => draw((n) => n + 1)), []);
	// A new view is announced by its heading, as a page would be that had been loaded.
	useEffect(() => {
		if (arrived.current && history.state?.focus !== false) main.current.focus({ preventScroll: true });
		arrived.current = true;
	}, [address.pathname]);
	const bought = orders().length, open = intents().length, inCart = lines().length;
	const here = (path) => (address.pathname.startsWith(path) ? 'page' : undefined);
	return html`<a class="skip" href="#main">Skip to the content</a>
		<header class="top"><div class="inside">
			<a class="name" href="/" aria-label="Bazar.com, front page">Bazar<span>.com</span></a>
			<${Search} address=${address} />
			<nav aria-label="Shop"><a href="/cart" aria-current=${here('/cart')}>Cart${inCart > 0 && html` <span class="number">${inCart}</span>`}</a>
				<a href="/purchases" aria-current=${here('/purchases')}>My orders${bought + open > 0 && html` <span class="number">${bought + open}</span>`}</a></nav>
		</div></header>
		<main id="main" class="inside" tabindex="-1" ref=${main}><${View} address=${address} /></main>
		<footer class="inside"><p>No payment is taken: this shop is about keeping its word.</p>
			<nav aria-label="For those who work here"><a href="/desk" aria-current=${here('/desk')}>Desk</a> <a href="/operations" aria-current=${here('/operations')}>Operations</a> <a href="/docs" data-away>API</a></nav></footer>`;
}

render(html`<${Page} />`, document.getElementById('page'));
resume();
