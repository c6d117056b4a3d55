// What was bought on this device, and one order.
import { html } from './lib.js';
import { useData } from './api.js';
import { forgetOrders, intents, orders } from './purchase.js';
import { Cover, Failure, Waiting, count, linesOf, money, parted, when } from './parts.js';
import { Open } from './shop.js';
import { bookPath, orderPath, useTitle } from './route.js';

const LIVE_MS = 4000;

// One order in the list: its first book stands for it.
function Bought({ order }) {
	const [first, ...more] = linesOf(order);
	const each = more.length === 0 && first.quantity > 1 ? `${first.quantity} × ${money(first.price, order.currency)}` : '';
	return html`<li>
		<${Cover} book=${{ id: first.book_id, title: first.title }} />
		<div><a class="card-title" href=${orderPath(order.order_id)}>${parted(first.title).title}${more.length > 0 && ` and ${more.length} more`}</a>
			<span class="card-by">${when(order.created_at)}</span></div>
		<span class="sum">${each} <strong>${money(order.total, order.currency)}</strong></span>
	</li>`;
}

export function Purchases() {
	useTitle('My orders');
	const list = orders();
	return html`<h1>My orders</h1>
		${intents().map((intent) => html`<${Open} key=${intent.key} intent=${intent} />`)}
		${list.length === 0 ? html`<p class="tally">Nothing was ordered on this device yet. <a href="/">Look around</a></p>`
			: html`<p class="tally">${count(list.length, 'order')} from this device</p>
			<ul class="orders" role="list">${list.map((o) => html`<${Bought} key=${o.order_id} order=${o} />`)}</ul>
			<p class="more"><button type="button" class="quiet" onClick=${forgetOrders}>Clear this list</button></p>`}`;
}

const WORDS = { CONFIRMED: 'Confirmed', REJECTED: 'Not delivered', PENDING: 'Being decided' };
const REASONS = { 'sold-out': 'was sold out', 'insufficient-stock': 'had fewer copies left than asked for', 'not-found': 'is not in the shop' };

// Why an order came to nothing; of several books, which one it was.
function reason(order) {
	const which = order.lines.length === 1 ? 'The book' : `“${order.lines.find((l) => l.book_id === order.refused_book_id)?.title ?? `Book ${order.refused_book_id}`}”`;
	return `${which} ${REASONS[order.reason]}. Nothing was taken.`;
}

export function Order({ id }) {
	useTitle('Order');
	const { data: order, error } = useData(`/orders/${id}`, LIVE_MS);
	if (error && !order) return html`<h1>Order</h1><${Failure} error=${error} />`;
	if (!order) return html`<${Waiting} what="Fetching the order" />`;
	return html`<nav class="trail" aria-label="You are here"><a href="/purchases">My orders</a></nav>
		<h1>Order</h1>
		<div class=${`notice ${order.status === 'CONFIRMED' ? 'good' : order.status === 'REJECTED' ? 'bad' : 'wait'}`}>
			<h2>${WORDS[order.status]}</h2>${order.reason && html`<p>${reason(order)}</p>`}</div>
		<dl class="facts wide">
			<dt>Order number</dt><dd class="order-number">${order.order_id}</dd>
			<dt>${order.lines.length === 1 ? 'Book' : 'Books'}</dt><dd>${order.lines.map((l) => html`<div key=${l.book_id}>
				${l.quantity} × <a href=${bookPath(l.book_id)}>${l.title ?? `Book ${l.book_id}`}</a>${l.price !== null && `, ${money(l.price, order.currency)} each`}</div>`)}</dd>
			${order.total !== null && html`<dt>Total</dt><dd><strong>${money(order.total, order.currency)}</strong></dd>`}
			<dt>Ordered</dt><dd><time datetime=${order.created_at}>${when(order.created_at)}</time></dd>
		</dl>`;
}
