// The shopkeeper's desk: prices, stock, new books, orders.
import { html, useEffect, useRef, useState } from './lib.js';
import { change, get, token, useData } from './api.js';
import { books as booksOfCsv } from './csv.js';
import { Failure, LOW, Pages, Waiting, count, money, when } from './parts.js';
import { bookPath, orderPath, useTitle } from './route.js';

const PAGE = 50;
const SCAN = 1000, SCANS_MAX = 100; // low stock: books a request, requests
const IMPORTS_AT_ONCE = 4;
const LIVE_MS = 4000;

const PARTS = [['', 'Books'], ['low', 'Low stock'], ['orders', 'Orders'], ['add', 'Add a book'], ['import', 'Import']];

// ---- Who may ----

function Login({ done, wrong }) {
	const submit = (event) => {
		event.preventDefault();
		token.set(event.target.elements.token.value.trim());
		done();
	};
	return html`<form class="form" onSubmit=${submit}>
		<p>The desk needs the shop's admin token.</p>
		${wrong && html`<div class="notice bad" role="alert"><p>This token is not the right one.</p></div>`}
		<label for="token">Admin token</label>
		<input id="token" type="password" autocomplete="current-password" required />
		<p class="hint">It is kept until this tab is closed.</p>
		<button type="submit">Open the desk</button>
	</form>`;
}

export function Desk({ part, address }) {
	useTitle('Desk');
	const [, again] = useState(0);
	const { data, error, reload } = useData('/orders?limit=1');
	const tried = useRef(false);
	if (error?.status === 401) {
		const done = () => { tried.current = true; again((n) => n + 1); reload(); };
		return html`<h1>Desk</h1><${Login} done=${done} wrong=${tried.current} />`;
	}
	if (!data) return error ? html`<h1>Desk</h1><${Failure} error=${error} retry=${reload} />` : html`<${Waiting} what="Opening the desk" />`;
	return html`<h1>Desk</h1>
		<nav class="tabs" aria-label="Desk">${PARTS.map(([path, name]) => html`<a href=${path ? `/desk/${path}` : '/desk'}
			aria-current=${part === path ? 'page' : path === '' && isBook(part) ? 'true' : undefined}>${name}</a>`)}</nav>
		<${Part} key=${part} part=${part} address=${address} />`;
}

const isBook = (part) => /^\d+$/.test(part);

function Part({ part }) {
	if (isBook(part)) return html`<${Edit} id=${part} />`;
	return html`<${{ '': Find, low: Low, orders: Orders, add: Add, import: Import }[part] ?? Find} />`;
}

// ---- Lists ----

// `head`: names of columns, each with the classes of its cells; `figure`: numbers, `extra`: not on a phone.
function Table({ name, head, rows }) {
	return html`<div class="table" role="region" aria-label=${name} tabindex="0"><table>
		<thead><tr>${Object.entries(head).map(([text, classes]) => html`<th scope="col" class=${classes}>${text}</th>`)}</tr></thead>
		<tbody>${rows}</tbody></table></div>`;
}

const BookRows = ({ books, name }) => html`<${Table} name=${name} head=${{ Number: 'figure extra', Title: '', Topic: 'extra', Price: 'figure', Stock: 'figure' }} rows=${books.map((b) => html`
	<tr key=${b.id}><td class="figure extra">${b.id}</td><td><a href=${`/desk/${b.id}`}>${b.title}</a></td><td class="extra">${b.topic}</td>
	<td class="figure">${money(b.price, b.currency)}</td><td class=${`figure ${b.quantity <= LOW ? 'few' : ''}`}>${b.quantity.toLocaleString('en')}</td></tr>`)} />`;

function Find() {
	const [words, setWords] = useState('');
	const timer = useRef(0);
	const found = useData(words ? `/books?q=${encodeURIComponent(words)}&limit=${PAGE}` : `/books?limit=${PAGE}`);
	const typed = (event) => {
		clearTimeout(timer.current);
		timer.current = setTimeout(setWords, 180, event.target.value.trim());
	};
	return html`<form class="row" role="search" onSubmit=${(e) => e.preventDefault()}>
			<label for="find">Find a book</label><input id="find" type="search" placeholder="Title or author" autocomplete="off" onInput=${typed} /></form>
		${found.error && !found.data && html`<${Failure} error=${found.error} retry=${found.reload} />`}
		${found.data && html`<p class="tally" role="status">${found.total === undefined ? '' : count(found.total, 'book')}</p>
			<${Pages} key=${words} first=${found}>${(rows) => html`<${BookRows} name="Books" books=${rows} />`}<//>`}`;
}

// The catalog has no question for this: every book is looked at.
function Low() {
	const [state, setState] = useState({ looked: 0, found: [], done: false });
	useEffect(() => {
		let here = true;
		(async () => {
			let looked = 0, found = [], next = `/books?limit=${SCAN}`;
			for (let n = 0; here && next && n < SCANS_MAX; n++) {
				const page = await get(next);
				looked += page.data.length;
				found = [...found, ...page.data.filter((b) => b.quantity <= LOW)];
				next = page.next;
				if (here) setState({ looked, found, done: !next });
			}
		})().catch((error) => here && setState((s) => ({ ...s, error })));
		return () => { here = false; };
	}, []);
	return html`<p class="tally" role="status">${state.done ? `${count(state.found.length, 'book')} of ${state.looked.toLocaleString('en')} with ${LOW} copies or fewer`
			: `Looking through the shelves: ${state.looked.toLocaleString('en')} books so far…`}</p>
		${state.error && html`<${Failure} error=${state.error} />`}
		${state.found.length > 0 && html`<${BookRows} name="Low stock" books=${state.found.toSorted((a, b) => a.quantity - b.quantity)} />`}`;
}

const STATUS = { CONFIRMED: 'Confirmed', REJECTED: 'Refused', PENDING: 'Being decided' };

function Orders() {
	const list = useData(`/orders?limit=${PAGE}`, LIVE_MS);
	if (!list.data) return list.error ? html`<${Failure} error=${list.error} retry=${list.reload} />` : html`<${Waiting} what="Fetching orders" />`;
	if (list.data.length === 0) return html`<p class="tally">No order yet.</p>`;
	return html`<${Pages} key=${list.next} first=${list}>${(rows) => html`<${Table} name="Orders" head=${{ Ordered: '', Book: '', Copies: 'figure', Total: 'figure', Status: '', Order: '' }} rows=${rows.map((o) => html`
		<tr key=${o.order_id}><td>${when(o.created_at)}</td><td>${o.lines.map((l) => html`<div key=${l.book_id}><a href=${`/desk/${l.book_id}`}>${l.title ?? `Book ${l.book_id}`}</a></div>`)}</td>
		<td class="figure">${o.lines.map((l) => html`<div key=${l.book_id}>${l.quantity}</div>`)}</td><td class="figure">${o.total === null ? '–' : money(o.total, o.currency)}</td>
		<td>${STATUS[o.status]}</td><td><a class="order-number" href=${orderPath(o.order_id)} aria-label=${`Order ${o.order_id}`}>${o.order_id.slice(0, 8)}</a></td></tr>`)} />`}<//>`;
}

// ---- One book ----

// What a form is doing: nothing, busy, or what came of it.
function useDoing() {
	const [doing, setDoing] = useState({});
	const run = async (work) => {
		setDoing({ busy: true });
		try {
			setDoing({ done: await work() });
		} catch (error) {
			setDoing({ error });
		}
	};
	return [doing, run];
}

const Outcome = ({ doing }) => html`<div aria-live="polite">${doing.done && html`<p class="done">${doing.done}</p>`}
	${doing.error && html`<${Failure} error=${doing.error} />`}</div>`;

// The price is changed from the one that was shown, or not at all: when somebody else was faster, both
// are shown.
function Price({ id, changed }) {
	const [shown, setShown] = useState(null); // {price, currency, etag}
	const [text, setText] = useState('');
	const [conflict, setConflict] = useState(null); // the price wanted
	const [doing, run] = useDoing();
	const load = async () => {
		const { data, etag } = await get(`/update/${id}/price`);
		setShown({ ...data, etag });
		return data;
	};
	useEffect(() => { run(async () => { setText((await load()).price.toFixed(2)); }); }, [id]);
	const set = (price) => run(async () => {
		try {
			const answer = await change('PUT', `/update/${id}/price`, { price }, { 'If-Match': shown.etag });
			setShown({ ...shown, price: answer.data.price, etag: answer.etag });
			setText(answer.data.price.toFixed(2));
			setConflict(null);
			changed();
			return `The price is ${money(answer.data.price, answer.data.currency)} now.`;
		} catch (error) {
			if (error.kind !== 'precondition-failed') throw error;
			await load();
			changed();
			setConflict(price);
			return null;
		}
	});
	if (!shown) return html`<${Outcome} doing=${doing} />`;
	const keepTheirs = () => { setText(shown.price.toFixed(2)); setConflict(null); };
	return html`<form class="form" onSubmit=${(e) => { e.preventDefault(); set(Number(text)); }}>
		<label for="price">Price in ${shown.currency}</label>
		<div class="row"><input id="price" inputmode="decimal" pattern="\\d{1,7}(\\.\\d{1,2})?" title="At most two decimals" required value=${text} onInput=${(e) => setText(e.target.value)} />
			<button type="submit" disabled=${doing.busy || conflict !== null || Number(text) === shown.price}>Change price</button></div>
		${conflict !== null && html`<div class="notice wait" role="alert"><h2>Somebody else changed this price</h2>
			<dl class="facts"><dt>It is now</dt><dd><strong>${money(shown.price, shown.currency)}</strong></dd><dt>You wanted</dt><dd><strong>${money(conflict, shown.currency)}</strong></dd></dl>
			<p class="actions"><button type="button" disabled=${doing.busy} onClick=${() => set(conflict)}>Set ${money(conflict, shown.currency)} all the same</button>
			<button type="button" class="quiet" onClick=${keepTheirs}>Keep ${money(shown.price, shown.currency)}</button></p></div>`}
		<${Outcome} doing=${doing} /></form>`;
}

function StockForm({ book, changed }) {
	const [doing, run] = useDoing();
	const submit = (event) => {
		event.preventDefault();
		const field = event.target.elements.copies;
		run(async () => {
			const answer = await change('PUT', `/update/${book.id}/stock`, { quantity_change: field.valueAsNumber });
			field.value = '';
			changed();
			return `${count(answer.data.quantity, 'copy', 'copies')} in stock now.`;
		});
	};
	return html`<form class="form" onSubmit=${submit}>
		<label for="copies">Copies to add (or take away, with a minus)</label>
		<div class="row"><input id="copies" name="copies" type="number" step="1" required /><button type="submit" disabled=${doing.busy}>Change stock</button></div>
		<${Outcome} doing=${doing} /></form>`;
}

function Withdraw({ book }) {
	const [sure, setSure] = useState(false);
	const [doing, run] = useDoing();
	const withdraw = () => run(async () => {
		const { etag } = await get(`/books/${book.id}`);
		await change('DELETE', `/books/${book.id}`, undefined, { 'If-Match': etag });
		return 'The book is withdrawn. Its orders stay.';
	});
	if (doing.done) return html`<${Outcome} doing=${doing} />`;
	return html`<div class="form">${sure
		? html`<p>Customers will no longer find this book.</p><p class="actions"><button type="button" class="danger" disabled=${doing.busy} onClick=${withdraw}>Withdraw it</button>
			<button type="button" class="quiet" onClick=${() => setSure(false)}>Keep it</button></p>`
		: html`<button type="button" class="quiet" onClick=${() => setSure(true)}>Withdraw this book…</button>`}
		<${Outcome} doing=${doing} /></div>`;
}

function Edit({ id }) {
	const info = useData(`/info/${id}`, LIVE_MS);
	const book = info.data;
	if (!book) return info.error ? html`<${Failure} error=${info.error} retry=${info.reload} />` : html`<${Waiting} what="Fetching the book" />`;
	return html`<h2>${book.title}</h2>
		<p class="tally">${book.author && `${book.author} · `}${book.topic} · number ${book.id} · <a href=${bookPath(book.id)}>in the shop</a></p>
		<dl class="facts now"><dt>Price</dt><dd>${money(book.price, book.currency)}</dd><dt>Stock</dt><dd>${count(book.quantity, 'copy', 'copies')}</dd></dl>
		<div class="forms"><${Price} id=${book.id} changed=${info.reload} /><${StockForm} book=${book} changed=${info.reload} /></div>
		<${Withdraw} book=${book} />`;
}

// ---- New books ----

function Add() {
	const { data: topics } = useData('/topics');
	const [doing, run] = useDoing();
	const submit = (event) => {
		event.preventDefault();
		const form = event.target;
		const { title, author, topic, price, quantity } = Object.fromEntries(new FormData(form));
		run(async () => {
			const { data } = await change('POST', '/books', { title, author, topic, price: Number(price), quantity: Number(quantity) });
			form.reset();
			form.elements.title.focus();
			return html`<a href=${bookPath(data.id)}>${data.title}</a> is in the shop, as number ${data.id}.`;
		});
	};
	return html`<form class="form" onSubmit=${submit}>
		<label for="title">Title</label><input id="title" name="title" required maxlength="512" />
		<label for="author">Author</label><input id="author" name="author" maxlength="1024" />
		<label for="topic">Topic</label><input id="topic" name="topic" required maxlength="128" list="topics" autocomplete="off" />
		<datalist id="topics">${(topics ?? []).map(({ topic }) => html`<option value=${topic} />`)}</datalist>
		<label for="new-price">Price</label><input id="new-price" name="price" inputmode="decimal" pattern="\\d{1,7}(\\.\\d{1,2})?" title="At most two decimals" required />
		<label for="new-quantity">Copies</label><input id="new-quantity" name="quantity" type="number" min="0" max="1000000000" step="1" value="10" required />
		<p class="actions"><button type="submit" disabled=${doing.busy}>Add the book</button></p>
		<${Outcome} doing=${doing} /></form>`;
}

function Import() {
	const [rows, setRows] = useState(null);
	const [wrong, setWrong] = useState(null);
	const [state, setState] = useState(null); // {done, added, there, failed: [text], running}
	const stop = useRef(false);
	useEffect(() => () => { stop.current = true; }, []);
	const choose = async (event) => {
		setWrong(null);
		setState(null);
		setRows(null);
		try {
			const file = event.target.files[0];
			if (file) setRows(booksOfCsv(await file.text()));
		} catch (error) {
			setWrong(error);
		}
	};
	const start = async () => {
		const s = { done: 0, added: 0, there: 0, failed: [], running: true };
		const queue = rows.entries();
		stop.current = false;
		const work = async () => {
			for (const [i, book] of queue) {
				if (stop.current) return;
				try {
					await change('POST', '/books', book);
					s.added++;
				} catch (error) {
					if (error.kind === 'already-exists') s.there++;
					else s.failed.push(`Line ${i + 2}: ${error.message}`);
					if (error.status === 401) stop.current = true;
				}
				s.done++;
				setState({ ...s });
			}
		};
		await Promise.all(Array.from({ length: IMPORTS_AT_ONCE }, work));
		s.running = false;
		setState({ ...s });
	};
	return html`<div class="form">
		<label for="file">A CSV file</label><input id="file" type="file" accept=".csv,text/csv" onChange=${choose} disabled=${state?.running} />
		<p class="hint">Its first line names the columns: title, topic, price and, if wanted, id, author, quantity. A book whose id exists is left as it is.</p>
		${wrong && html`<${Failure} error=${wrong} />`}
		${rows && !state && html`<p class="actions"><button type="button" onClick=${start} disabled=${rows.length === 0}>Import ${count(rows.length, 'book')}</button></p>`}
		${state && html`<label for="progress">${state.done.toLocaleString('en')} of ${count(rows.length, 'book')}</label>
			<progress id="progress" max=${rows.length} value=${state.done}></progress>
			${state.running && html`<p class="actions"><button type="button" class="quiet" onClick=${() => { stop.current = true; }}>Stop</button></p>`}
			<p role="status">${state.running ? '' : `${state.done < rows.length ? 'Stopped' : 'Done'}: ${state.added} added, ${state.there} were there, ${state.failed.length} failed.`}</p>
			${state.failed.length > 0 && html`<div class="notice bad"><ul>${state.failed.slice(0, 10).map((text) => html`<li>${text}</li>`)}</ul>${state.failed.length > 10 ? html`<p>and ${state.failed.length - 10} more</p>` : ''}</div>`}`}
	</div>`;
}
