// The shop's HTTP interface. Reads are repeated until a replica answers; writes are attempted once
// and classified, because only their caller knows under which key they may be repeated.
import { useEffect, useState } from './lib.js';

const READ_TRIES = 5;
const PATIENCE_MS = 12000; // for one answer

// What went wrong, in words for people; `status` 0: no answer at all.
export class Problem extends Error {
	constructor(status, body) {
		super(body?.detail ?? body?.message ?? 'The shop does not answer. Is the network there?');
		this.status = status;
		this.kind = body?.type?.replace('/problems/', '') ?? 'no-answer';
		this.body = body;
	}
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// An admin token lives as long as the tab.
export const token = {
	get: () => sessionStorage.getItem('bazar.token') ?? '',
	set: (text) => sessionStorage.setItem('bazar.token', text),
};

async function exchange(path, options = {}) {
	const headers = { Accept: 'application/json', ...options.headers };
	if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
	const answer = await fetch(path, {
		...options,
		headers,
		credentials: 'omit',
		signal: options.signal ?? AbortSignal.timeout(PATIENCE_MS),
	});
	const body = await answer.json();
	return { answer, body };
}

// ---- Reads ----

// The next page's address, from `Link: <...>; rel="next"`.
const nextOf = (answer) => /<([^>]*)>;\s*rel="?next/.exec(answer.headers.get('Link') ?? '')?.[1] ?? null;

// {data, next, total, etag}; throws Problem.
export async function get(path) {
	for (let tried = 1; ; tried++) {
		let failure;
		try {
			const { answer, body } = await exchange(path);
			if (answer.ok) return { data: body.data, next: nextOf(answer), total: body.total, etag: answer.headers.get('ETag') };
			failure = new Problem(answer.status, body);
		} catch {
			failure = new Problem(0, null);
		}
		const passing = failure.status === 0 || failure.status >= 502;
		if (!passing || tried === READ_TRIES) throw failure;
		await sleep(200 * 2 ** tried);
	}
}

// What was read last, so that going back shows a page at once; it is read anew all the same.
const seen = new Map();
const SEEN_MAX = 100;

function remember(path, value) {
	seen.delete(path);
	seen.set(path, value);
	if (seen.size > SEEN_MAX) seen.delete(seen.keys().next().value);
}

// {data, next, total, etag, error, reload}: data is undefined until the first answer. With `every`, it is read
// again so often (ms) while somebody looks at the page; what is shown stays when that fails.
export function useData(path, every = 0) {
	const [, draw] = useState(0);
	const [error, setError] = useState(null);
	const read = async (stop) => {
		try {
			const value = await get(path);
			if (stop?.now) return;
			remember(path, value);
			setError(null);
		} catch (failure) {
			if (stop?.now) return;
			setError(failure);
		}
		draw((n) => n + 1);
	};
	useEffect(() => {
		if (!path) return undefined;
		const stop = { now: false };
		setError(null);
		read(stop);
		const timer = every > 0 && setInterval(() => document.hidden || read(stop), every);
		return () => {
			stop.now = true;
			clearInterval(timer);
		};
	}, [path, every]);
	return { ...(seen.get(path) ?? {}), error, reload: () => read() };
}

// ---- Writes ----

export function newKey() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}

// One try. {is: 'decided', status, body, etag}: that is the outcome, for good.
// {is: 'not-applied'}: this try did nothing. {is: 'unknown'}: it may have been, or may yet be, applied.
export async function attempt(method, path, key, json, headers = {}) {
	let answer, body;
	try {
		({ answer, body } = await exchange(path, {
			method,
			headers: { 'Idempotency-Key': key, ...(json && { 'Content-Type': 'application/json' }), ...headers },
			body: json && JSON.stringify(json),
		}));
	} catch {
		return { is: 'unknown' };
	}
	if (answer.status === 202 || body.type === '/problems/request-in-progress') return { is: 'unknown', body };
	if (body.outcome === 'not_applied') return { is: 'not-applied' };
	if (answer.status >= 500 || answer.status === 429 || answer.status === 408 || answer.status === 421)
		return { is: 'unknown' };
	return { is: 'decided', status: answer.status, body, etag: answer.headers.get('ETag') };
}

// Writes of the desk whose outcome is open, by what they ask: asking the same again repeats them.
const open = new Map();
const WRITE_TRIES = 6;

// {data, etag, body} of a write that was done; throws Problem for one that was refused or is undecided.
export async function change(method, path, json, headers = {}) {
	const what = JSON.stringify([method, path, json, headers]);
	const key = open.get(what) ?? newKey();
	open.set(what, key);
	let result;
	for (let tried = 1; tried <= WRITE_TRIES; tried++) {
		result = await attempt(method, path, key, json, headers);
		if (result.is === 'decided') break;
		await sleep(150 * 2 ** tried);
	}
	if (result.is !== 'decided')
		throw new Problem(0, { message: 'The shop could not confirm the change. Press the button again: it is never made twice.' });
	open.delete(what);
	if (result.status >= 400) throw new Problem(result.status, result.body);
	return { data: result.body.data, etag: result.etag, body: result.body };
}
