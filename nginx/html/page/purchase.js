// Buying, so that one intent is one order whatever is lost on the way. An intent is kept on the device,
// under a key of its own, from before it is first sent until its outcome is known; repeating it under
// that key can only tell the same outcome. Other tabs, a reload or a crash go on from there.
import { attempt, newKey, sleep } from './api.js';
import { bought } from './cart.js';
import { all, drop, keep } from './kept.js';

const ORDERS_MAX = 200;
const FRESH_MS = 10 * 60 * 1000; // older intents go on only when their customer says so
const INTENT = 'bazar.intent.', ORDER = 'bazar.order.';

// {key, since, doubt, late, order}, and {book, title, quantity}, or of the cart {lines: [{book, title,
// quantity}]}. `doubt`: a try may have been applied, so it may not be forgotten; `late`: the first try
// brought no outcome; `order`: its number, if told already.
export const intents = () => all(INTENT).sort((a, b) => a.since - b.since);

// What is bought is known by the book's id, or as the cart.
export const CART = 'cart';
const whatOf = (intent) => intent.book ?? CART;
export const intentFor = (what) => intents().find((intent) => whatOf(intent) === what);
const change = (intent, values) => keep(INTENT + intent.key, { ...intent, ...values });

// Newest first.
export const orders = () => all(ORDER).sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
export const forgetOrders = () => orders().forEach((order) => drop(ORDER + order.order_id));

function keepOrder(order) {
	keep(ORDER + order.order_id, order);
	orders().slice(ORDERS_MAX).forEach((old) => drop(ORDER + old.order_id));
}

// The last outcome of each, for the view that shows it: {order} or {problem}.
const outcomes = new Map();
export const outcomeOf = (what) => outcomes.get(what);
export const clearOutcome = (what) => outcomes.delete(what);

function settle(intent, { status, body }) {
	outcomes.set(whatOf(intent), status === 200 ? { order: body.data } : { problem: body });
	if (status === 200) keepOrder(body.data);
	if (status === 200 && intent.lines) bought(intent.lines);
	drop(INTENT + intent.key);
}

// The same whenever it is asked for.
const requestOf = ({ book, quantity, lines }) => (lines ? ['/orders', { lines: lines.map((line) => ({ book_id: line.book, quantity: line.quantity })) }]
	: [`/buy/${book}`, { quantity }]);

const running = new Set();
export const isRunning = (intent) => running.has(intent.key);

// Repeats an intent until it is decided. The doubt is written down before each try: the page may die
// during it.
export async function drive(key) {
	if (running.has(key)) return;
	running.add(key);
	for (let pause = 400; ; pause = Math.min(pause * 2, 8000)) {
		const intent = intents().find((i) => i.key === key);
		if (!intent) break; // another tab learned the outcome
		const [path, body] = requestOf(intent);
		change(intent, { doubt: true });
		const result = await attempt('POST', path, key, body);
		if (result.is === 'decided') {
			settle(intent, result);
			break;
		}
		if (result.is === 'not-applied') change(intent, { late: true });
		else change(intent, { doubt: true, late: true, order: result.body?.data?.order_id ?? intent.order });
		await sleep(pause);
	}
	running.delete(key);
}

// A second call for a book, or the cart, whose outcome is open goes on with the first intent.
function begin(what, wanted) {
	let intent = intentFor(what);
	if (!intent) {
		outcomes.delete(what);
		intent = { key: newKey(), ...wanted, since: Date.now(), doubt: false, late: false };
		keep(INTENT + intent.key, intent);
	}
	drive(intent.key);
}

export const buy = (book, quantity) => begin(book.id, { book: book.id, title: book.title, quantity });
export const buyCart = (lines) => begin(CART, { lines: lines.map(({ book, title, quantity }) => ({ book, title, quantity })) });

// Only for an intent without doubt.
export const giveUp = (intent) => drop(INTENT + intent.key);

export function resume() {
	intents().filter((intent) => Date.now() - intent.since < FRESH_MS).forEach((intent) => drive(intent.key));
}
