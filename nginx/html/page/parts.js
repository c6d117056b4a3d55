// Small parts that several views are made of.
import { html, useEffect, useState } from './lib.js';
import { get } from './api.js';
import { bookPath } from './route.js';

export const money = (amount, currency) =>
	new Intl.NumberFormat('en', { style: 'currency', currency: currency ?? 'USD' }).format(amount);
export const count = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
export const when = (text) =>
	new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));

// "Dune (Dune Chronicles, #1)" is a title and the series it belongs to.
export function parted(title) {
	const match = /^(.+?) \(([^()]+?),? #([\d.–-]+)\)$/.exec(title);
	return match ? { title: match[1], series: `${match[2]}, no. ${match[3]}` } : { title, series: '' };
}

const SHADES = 10;
const PATTERNS = 4;

// No pictures: a cover is set from the book's own words, the same one every time. It says nothing
// that is not said beside it.
export function Cover({ book }) {
	const { title, series } = parted(book.title);
	const word = Math.max(...title.split(/[\s-]/).map((part) => part.length));
	const size = title.length > 60 || word > 11 ? 'long' : title.length > 28 || word > 8 ? 'medium' : 'short';
	// Multiples of the golden ratio, and of its kin, spread evenly: neighbours differ.
	const shade = Math.floor(((book.id * 0.618034) % 1) * SHADES), pattern = Math.floor(((book.id * 0.754878) % 1) * PATTERNS);
	return html`<div class=${`cover shade-${shade} pattern-${pattern} ${size}`} aria-hidden="true">
		<div class="cover-face">
			<span class="cover-title">${title}</span>
			<span class="cover-foot">${book.author ? book.author.split(',')[0] : series}</span>
		</div>
	</div>`;
}

export const LOW = 5;
export function Stock({ quantity }) {
	if (quantity === 0) return html`<span class="stock out">Sold out</span>`;
	if (quantity <= LOW) return html`<span class="stock low">Only ${quantity} left</span>`;
	return html`<span class="stock in">In stock</span>`;
}

export function Card({ book }) {
	const { title, series } = parted(book.title);
	return html`<li class="card">
		<${Cover} book=${book} />
		<a class="card-title" href=${bookPath(book.id)}>${title}</a>
		${(book.author || series) && html`<span class="card-by">${book.author || series}</span>`}
		<span class="card-foot"><strong>${money(book.price, book.currency)}</strong><${Stock} quantity=${book.quantity} /></span>
	</li>`;
}

export const Books = ({ books }) => html`<ul class="books" role="list">${books.map((b) => html`<${Card} key=${b.id} book=${b} />`)}</ul>`;

// A paged list: what `first` ({data, next}) holds, and further pages on demand.
export function Pages({ first, children }) {
	const [more, setMore] = useState({ first, rows: [], next: first.next, busy: false, failed: null });
	const fresh = more.first?.next === first.next ? more : { first, rows: [], next: first.next };
	const load = async () => {
		setMore({ ...fresh, busy: true });
		try {
			const page = await get(fresh.next);
			setMore({ first, rows: [...fresh.rows, ...page.data], next: page.next, busy: false });
		} catch (failure) {
			setMore({ ...fresh, busy: false, failed: failure });
		}
	};
	return html`${children([...first.data, ...fresh.rows])}
		${fresh.failed && html`<${Failure} error=${fresh.failed} />`}
		${fresh.next && html`<p class="more"><button type="button" class="quiet" disabled=${fresh.busy} onClick=${load}>
			${fresh.busy ? 'Loading…' : 'Show more'}</button></p>`}`;
}

export function Failure({ error, retry }) {
	return html`<div class="notice bad" role="alert"><p>${error.message}</p>
		${retry && html`<button type="button" class="quiet" onClick=${retry}>Try again</button>`}</div>`;
}

// Empty boxes where books will be; only after a moment, so that a fast answer does not flicker.
export function Waiting({ what = 'Loading' }) {
	const [late, setLate] = useState(false);
	useEffect(() => {
		const timer = setTimeout(() => setLate(true), 250);
		return () => clearTimeout(timer);
	}, []);
	return html`<p class="waiting" role="status">${late ? `${what}…` : ''}</p>`;
}

// Number by buttons or by typing. While somebody types, what is no number yet is left alone.
// `of`: the book, where there are several such fields.
export function Quantity({ value, most, change, disabled, id = 'quantity', of }) {
	const set = (n) => { if (n >= 1) change(Math.min(most, n)); };
	return html`<div class="quantity">
		<label for=${id}>Quantity${of && html`<span class="unseen"> of ${of}</span>`}</label>
		<div class="stepper">
			<button type="button" aria-label=${of ? `One less of ${of}` : 'One less'} disabled=${disabled || value <= 1} onClick=${() => set(value - 1)}>−</button>
			<input id=${id} type="number" inputmode="numeric" min="1" max=${most} required value=${value} disabled=${disabled}
				onInput=${(e) => set(Math.floor(e.target.valueAsNumber))} onBlur=${(e) => { e.target.value = value; }} />
			<button type="button" aria-label=${of ? `One more of ${of}` : 'One more'} disabled=${disabled || value >= most} onClick=${() => set(value + 1)}>+</button>
		</div>
	</div>`;
}

// An order's lines; what /buy told, and this device kept, is one itself.
export const linesOf = (order) => order.lines ?? [order];
