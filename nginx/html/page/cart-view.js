// The cart: what is in it at today's price, and buying all of it as one order.
import { html, useEffect, useRef, useState } from './lib.js';
import { get } from './api.js';
import { COPIES_MAX, lines, setCopies, takeOut } from './cart.js';
import { CART, buyCart, clearOutcome, intentFor, outcomeOf } from './purchase.js';
import { Cover, Quantity, Stock, Waiting, count, money, parted } from './parts.js';
import { Open } from './shop.js';
import { bookPath, orderPath, useTitle } from './route.js';

const LIVE_MS = 4000;

// The books as they are now, by id; null: there is none any more. Read again whenever `moment` changes, too.
function useBooks(ids, moment) {
	const [books, setBooks] = useState({});
	useEffect(() => {
		let over = false;
		const read = async () => {
			const found = await Promise.all(ids.map((id) => get(`/info/${id}`).then(({ data }) => [id, data],
				(error) => [id, error.status === 404 ? null : undefined])));
			if (!over) setBooks((old) => ({ ...old, ...Object.fromEntries(found.filter(([, book]) => book !== undefined)) }));
		};
		read();
		const timer = setInterval(() => document.hidden || read(), LIVE_MS);
		return () => {
			over = true;
			clearInterval(timer);
		};
	}, [ids.join(), moment]);
	return books;
}

const cents = (line, book) => Math.round(book.price * 100) * line.quantity;

// How many copies can be had, as the shop said last; undefined: as many as are wanted.
function left(line, book, problem) {
	if (book === null || (problem?.book_id === line.book && problem.status === 404)) return 0;
	const available = problem?.book_id === line.book ? Math.min(problem.available, book?.quantity ?? COPIES_MAX) : book?.quantity;
	return available < line.quantity ? available : undefined;
}

function Line({ line, book, problem }) {
	const { title } = parted(line.title);
	const few = left(line, book, problem);
	const set = (quantity) => {
		clearOutcome(CART);
		setCopies(line, quantity);
	};
	const remove = () => {
		clearOutcome(CART);
		takeOut(line);
	};
	return html`<li class=${few === undefined ? '' : 'lacking'}>
		<${Cover} book=${{ ...line, id: line.book }} />
		<div class="cart-words">
			<a class="card-title" href=${bookPath(line.book)}>${title}</a>
			${book && html`<span class="card-by">${money(book.price, book.currency)} each</span>`}
			${few === undefined ? book && html`<${Stock} quantity=${book.quantity} />` : html`<p class="lack">${few === 0
				? (book === null ? 'No longer sold' : 'Sold out') : `Only ${few} left`}
				${few > 0 && html` <button type="button" class="quiet small" onClick=${() => set(few)}>Take ${few}</button>`}</p>`}
		</div>
		<${Quantity} id=${`quantity-${line.book}`} of=${title} value=${line.quantity} most=${COPIES_MAX} change=${set} />
		<strong class="sum">${book ? money(cents(line, book) / 100, book.currency) : ''}</strong>
		<button type="button" class="quiet small" onClick=${remove}>Remove<span class="unseen"> ${title}</span></button>
	</li>`;
}

// What came of buying takes the focus.
function Told({ good, title, children }) {
	const place = useRef(null);
	useEffect(() => { place.current.focus(); }, []);
	return html`<div class=${`notice ${good ? 'good' : 'bad'}`} role=${good ? 'status' : 'alert'} tabindex="-1" ref=${place}><h2>${title}</h2>${children}</div>`;
}

const Bought = ({ order }) => html`<${Told} good=${true} title="Thank you. All of it is yours.">
	<dl class="facts">
		<dt>Order number</dt><dd><a class="order-number" href=${orderPath(order.order_id)}>${order.order_id}</a></dd>
		<dt>Books</dt><dd>${order.lines.length}</dd>
		<dt>Total</dt><dd><strong>${money(order.total, order.currency)}</strong></dd>
	</dl>
	<p class="actions"><a class="button quiet" href="/purchases">My orders</a> <a class="button quiet" href="/">Look around</a></p>
<//>`;

const Refused = ({ problem }) => html`<${Told} title="Nothing was ordered">
	<p>${problem.book_id ? 'A cart is bought whole or not at all, and one book of it cannot be had. It is marked below.' : problem.detail}</p>
<//>`;

// What is to be bought, and the button for it.
function Filled({ cart, books, problem }) {
	const known = cart.every((line) => books[line.book]);
	const lacking = cart.some((line) => left(line, books[line.book], problem) !== undefined);
	const total = known && cart.reduce((sum, line) => sum + cents(line, books[line.book]), 0) / 100;
	const all = known && money(total, books[cart[0].book].currency);
	return html`<ul class="cart" role="list">${cart.map((line) => html`<${Line} key=${line.book} line=${line} book=${books[line.book]} problem=${problem} />`)}</ul>
		<form class="checkout" onSubmit=${(e) => { e.preventDefault(); buyCart(cart); }}>
			<p>Total <strong class="price">${all || '…'}</strong></p>
			<button type="submit" class="main" disabled=${!known || lacking}>${cart.length === 1 ? 'Buy it' : `Buy all ${cart.length}`}${known && ` for ${all}`}</button>
			<p class="hint">${lacking ? 'What is marked cannot be had: change it, or remove it.' : 'One order: all of it, or nothing is ordered.'}</p>
		</form>`;
}

export function Cart() {
	const cart = lines(), intent = intentFor(CART), outcome = outcomeOf(CART);
	const books = useBooks(cart.map((line) => line.book), outcome);
	useTitle('Cart');
	useEffect(() => () => clearOutcome(CART), []);
	if (intent) return html`<h1>Cart</h1><${Open} intent=${intent} />
		<ul class="plain-list">${intent.lines.map((line) => html`<li key=${line.book}>${line.quantity} × ${parted(line.title).title}</li>`)}</ul>`;
	const waits = cart.length > 0 && Object.keys(books).length === 0;
	return html`<h1>Cart</h1>
		${outcome?.order && html`<${Bought} order=${outcome.order} />`}
		${outcome?.problem && html`<${Refused} problem=${outcome.problem} />`}
		${waits && html`<${Waiting} what="Looking up prices" />`}
		${cart.length > 0 ? html`<p class="tally">${count(cart.length, 'book')} in the cart of this device</p><${Filled} cart=${cart} books=${books} problem=${outcome?.problem} />`
			: !outcome?.order && html`<p class="tally">Nothing is in the cart. <a href="/">Look around</a></p>`}`;
}
