// The views of the shop: the front, a topic, a search, a book.
import { html, useEffect, useRef, useState } from './lib.js';
import { useData } from './api.js';
import { LINES_MAX, lineOf, lines, put } from './cart.js';
import { buy, clearOutcome, drive, giveUp, intentFor, isRunning, outcomeOf } from './purchase.js';
import { Books, Cover, Failure, LOW, Pages, Quantity, Stock, Waiting, count, money, parted } from './parts.js';
import { go, orderPath, topicPath, useTitle } from './route.js';

const PAGE = 24, SHELF = 6;
const LIVE_MS = 4000;
const BUY_MOST = 1000;

// The catalog's question with those of the values that are given.
const booksPath = (values) => {
	const given = Object.entries(values).filter(([, value]) => value);
	return `/books?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
};

// ---- The front ----

const Topics = ({ topics, now }) => html`<ul class="topics" role="list">${topics.map(({ topic, books }) => html`
	<li key=${topic}><a href=${topicPath(topic)} aria-current=${topic === now ? 'page' : undefined}>
		<span>${topic}</span> <span class="number">${books.toLocaleString('en')}<span class="unseen"> ${books === 1 ? 'book' : 'books'}</span></span></a></li>`)}</ul>`;

// Up to `most` books; `without`: the id of one to leave out.
function Shelf({ title, path, all, without, most = SHELF }) {
	const { data, error } = useData(path);
	if (error && !data) return html`<${Failure} error=${error} />`;
	const books = (data ?? []).filter((b) => b.id !== without).slice(0, most);
	if (data && books.length === 0) return null;
	return html`<section class=${`shelf ${all ? 'sideways' : ''}`}>
		<header><h2>${title}</h2>${all && html`<a href=${all}>See all<span class="unseen"> of ${title}</span></a>`}</header>
		${data ? html`<${Books} books=${books} />` : html`<div class="shelf-empty"></div>`}
	</section>`;
}

export function Front() {
	useTitle('');
	const { data: topics, error, reload } = useData('/topics');
	const total = (topics ?? []).reduce((sum, t) => sum + t.books, 0);
	const shelves = [...(topics ?? [])].sort((a, b) => b.books - a.books).slice(0, 4);
	return html`<div class="hero">
			<h1>A bookshop that keeps its word</h1>
			<p>${topics ? `${count(total, 'book')} in ${count(topics.length, 'topic')}. ` : ''}What we say is in stock is in stock, and one click is one order, never two.</p>
		</div>
		${error && !topics && html`<${Failure} error=${error} retry=${reload} />`}
		${topics && html`<section><h2 class="unseen">Topics</h2><${Topics} topics=${topics} /></section>`}
		${topics && total <= PAGE ? html`<${Shelf} title="All our books" path=${booksPath({ limit: PAGE })} most=${PAGE} />` : shelves.map(({ topic }) => html`<${Shelf} key=${topic} title=${topic} all=${topicPath(topic)}
			path=${booksPath({ topic, limit: SHELF })} />`)}`;
}

// ---- A topic, a search ----

const SORTS = [['title', 'Title'], ['price', 'Price, low to high'], ['-price', 'Price, high to low']];

// A list of books with its choices, which are part of the address. `all`: how many there are without
// choices, where that is known.
function Browse({ address, what, usual, all }) {
	const sort = address.searchParams.get('sort') ?? '', inStock = address.searchParams.get('in_stock') ?? '';
	const found = useData(booksPath({ ...what, sort, in_stock: inStock, limit: PAGE }));
	const choose = (name, value) => {
		const next = new URL(address);
		next.searchParams.delete(name);
		if (value) next.searchParams.set(name, value);
		go(next.href, { replace: true });
	};
	const counted = found.total ?? (inStock ? undefined : all);
	const tally = found.data && (found.data.length === 0 ? (what.q ? 'Nothing matches all these words. Fewer or shorter ones find more.' : 'No book is here.')
		: counted === undefined ? `The first ${found.data.length}` : count(counted, 'book'));
	return html`<div class="choices">
			<p class="tally" role="status">${tally ?? ''}</p>
			<label class="check"><input type="checkbox" checked=${inStock === 'true'} onChange=${(e) => choose('in_stock', e.target.checked && 'true')} /> In stock only</label>
			<label>Sort by <select value=${sort} onChange=${(e) => choose('sort', e.target.value)}>
				<option value="">${usual}</option>${SORTS.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select></label>
		</div>
		${found.error && !found.data && html`<${Failure} error=${found.error} retry=${found.reload} />`}
		${!found.data && !found.error && html`<${Waiting} what="Looking" />`}
		${found.data && html`<${Pages} key=${found.next ?? found.data.length} first=${found}>${(rows) => html`<${Books} books=${rows} />`}<//>`}`;
}

export function Topic({ topic, address }) {
	useTitle(topic);
	const { data: topics } = useData('/topics');
	return html`<nav class="trail" aria-label="You are here"><a href="/">All topics</a></nav>
		<h1 class="topic-name">${topic}</h1>
		<${Browse} address=${address} what=${{ topic }} usual="As on the shelf" all=${topics?.find((t) => t.topic === topic)?.books} />`;
}

export function Find({ query, address }) {
	useTitle(query ? `“${query}”` : 'Search');
	const { data: topics } = useData('/topics');
	const word = query.toLowerCase();
	const near = query ? (topics ?? []).filter((t) => t.topic.toLowerCase().includes(word)) : [];
	if (!query) return html`<h1>Search</h1><p class="tally">Type words of a title, or an author, into the box above.</p>`;
	return html`<h1>Books for <q>${query}</q></h1>
		${near.length > 0 && html`<section><h2 class="unseen">Topics</h2><${Topics} topics=${near} /></section>`}
		<${Browse} address=${address} what=${{ q: query }} usual="Best match" />`;
}

// ---- A book ----

// What became of pressing Buy stands where the button was, and takes over its focus.
function useFocus() {
	const place = useRef(null);
	useEffect(() => { place.current.focus(); }, []);
	return place;
}

function Bought({ order, again }) {
	return html`<div class="notice good" role="status" tabindex="-1" ref=${useFocus()}>
		<h2>Thank you. It is yours.</h2>
		<dl class="facts">
			<dt>Order number</dt><dd><a class="order-number" href=${orderPath(order.order_id)}>${order.order_id}</a></dd>
			<dt>Quantity</dt><dd>${order.quantity}</dd>
			<dt>Total</dt><dd><strong>${money(order.total, order.currency)}</strong></dd>
		</dl>
		<p class="actions"><a class="button quiet" href="/purchases">My orders</a>
			<button type="button" class="quiet" onClick=${again}>Buy another</button></p>
	</div>`;
}

function Refused({ problem, again }) {
	const soldOut = problem.type === '/problems/sold-out';
	const few = problem.type === '/problems/insufficient-stock';
	return html`<div class="notice bad" role="alert" tabindex="-1" ref=${useFocus()}>
		<h2>${soldOut ? 'Sold out' : few ? `Only ${problem.available} left` : 'This was not ordered'}</h2>
		<p>${soldOut || few ? 'Somebody was faster. Nothing was ordered.' : problem.detail}</p>
		${few && html`<button type="button" class="quiet" onClick=${() => again(problem.available)}>Choose ${problem.available} or fewer</button>`}
	</div>`;
}

// An intent whose outcome is open; see purchase.js.
export function Open({ intent }) {
	const runs = isRunning(intent);
	const copies = intent.lines ? `a cart of ${count(intent.lines.length, 'book')}` : `${intent.quantity} × ${parted(intent.title).title}`;
	if (runs && !intent.late) return html`<p class="notice" role="status"><span class="spinner"></span> Ordering ${copies}…</p>`;
	if (runs) return html`<div class="notice wait" role="status">
		<h2><span class="spinner"></span> Still asking</h2>
		<p>${intent.order ? `Your order of ${copies} is taken; its outcome is not decided yet.`
			: intent.doubt ? `The answer to your order of ${copies} got lost on the way. We keep asking under the same number: it is ordered once at most.`
			: `The shop cannot take your order of ${copies} at this moment. Nothing was ordered yet; we keep trying.`}</p>
		${!intent.doubt && html`<button type="button" class="quiet" onClick=${() => giveUp(intent)}>Give up</button>`}
	</div>`;
	return html`<div class="notice wait" role="status">
		<h2>Unfinished order</h2>
		<p>You ordered ${copies} earlier, and its outcome never arrived. Going on tells it, or orders it now; it is ordered once at most.</p>
		<p class="actions"><button type="button" onClick=${() => drive(intent.key)}>Go on</button>
		${!intent.doubt && html`<button type="button" class="quiet" onClick=${() => giveUp(intent)}>Forget it</button>`}</p>
	</div>`;
}

function AddToCart({ book, quantity }) {
	const line = lineOf(book.id);
	const full = !line && lines().length >= LINES_MAX;
	return html`<button type="button" class="quiet main" disabled=${full} onClick=${() => put(book, quantity)}>Add to cart</button>
		<p class="in-cart" role="status">${full ? `The cart is full: ${LINES_MAX} books are the most. ` : line ? `${count(line.quantity, 'copy', 'copies')} in the cart. ` : ''}
			${(full || line) && html`<a href="/cart">See the cart</a>`}</p>`;
}

function Buy({ book, changed }) {
	const [quantity, setQuantity] = useState(1);
	const intent = intentFor(book.id), outcome = outcomeOf(book.id);
	const most = Math.max(1, Math.min(BUY_MOST, book.quantity));
	const chosen = Math.min(quantity, most);
	useEffect(() => { changed(); }, [outcome]);
	useEffect(() => () => clearOutcome(book.id), [book.id]);
	if (intent) return html`<${Open} intent=${intent} />`;
	const again = (n = 1) => {
		clearOutcome(book.id);
		setQuantity(n);
		changed();
	};
	if (outcome?.order) return html`<${Bought} order=${outcome.order} again=${() => again()} />`;
	return html`${outcome?.problem && html`<${Refused} problem=${outcome.problem} again=${again} />`}
		<form class="buy" onSubmit=${(e) => { e.preventDefault(); buy(book, chosen); }}>
			${book.quantity > 0 && html`<${Quantity} value=${chosen} most=${most} change=${setQuantity} />`}
			<button type="submit" class="main" disabled=${book.quantity === 0}>
				${book.quantity === 0 ? 'Sold out' : `Buy for ${money((Math.round(book.price * 100) * chosen) / 100, book.currency)}`}</button>
			${book.quantity > 0 && html`<${AddToCart} book=${book} quantity=${chosen} />`}
		</form>`;
}

export function Book({ id }) {
	const info = useData(`/info/${id}`, LIVE_MS);
	const book = info.data;
	useTitle(book?.title ?? `Book ${id}`, Boolean(book));
	if (info.error?.status === 404 || info.error?.status === 400) return html`<h1>There is no book ${id}</h1><p><a href="/">All topics</a></p>`;
	if (!book) return info.error ? html`<h1>Book ${id}</h1><${Failure} error=${info.error} retry=${info.reload} />` : html`<${Waiting} what="Fetching the book" />`;
	const { title, series } = parted(book.title);
	return html`<nav class="trail" aria-label="You are here"><a href="/">All topics</a> <span aria-hidden="true">›</span> <a href=${topicPath(book.topic)}>${book.topic}</a></nav>
		<article class="book">
			<${Cover} book=${book} />
			<div class="book-words">
				<h1>${title}</h1>
				${series && html`<p class="series">${series}</p>`}
				${book.author && html`<p class="by">by ${book.author}</p>`}
				<p class="price">${money(book.price, book.currency)}</p>
				<p class="stock-line"><${Stock} quantity=${book.quantity} /> ${book.quantity > LOW && html`<span class="copies">${count(book.quantity, 'copy', 'copies')} on the shelf now</span>`}</p>
				<${Buy} key=${book.id} book=${book} changed=${info.reload} />
			</div>
		</article>
		<${Shelf} title=${`More from ${book.topic}`} all=${topicPath(book.topic)} without=${book.id}
			path=${booksPath({ topic: book.topic, limit: SHELF + 1 })} />`;
}

