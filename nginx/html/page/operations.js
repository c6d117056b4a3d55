// The operator's window: what every replica says of itself (GET /status), the cache (GET /cache-stats),
// and how both move.
import uPlot from './vendor/uplot.js';
import { html, useEffect, useRef, useState } from './lib.js';
import { change, get } from './api.js';
import { Failure, Waiting } from './parts.js';
import { useTitle } from './route.js';

const EVERY_MS = 2000;
const SHOWN = 90; // points of a plot

const number = (n) => n.toLocaleString('en', { maximumFractionDigits: 1 });

function duration(seconds) {
	if (seconds < 120) return `${seconds} s`;
	if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
	return `${Math.floor(seconds / 3600)} h`;
}

// ---- Replicas ----

const PHASES = { active: 'in charge', 'in-sync': 'in sync' };
const member = (replica) => replica.set?.members.find((m) => m.id === replica.id);
const healthy = (replica) => replica.serving && (replica.role === 'primary' ? replica.writable : replica.phase === 'in-sync');

function Replica({ name, answer, service }) {
	const r = answer.data;
	if (!r) return html`<li class="replica bad"><h3>${name}</h3><p class="state">Does not answer</p></li>`;
	const newest = Math.max(...service.map((s) => s.last.seq));
	return html`<li class=${`replica ${healthy(r) ? 'good' : 'wait'}`}>
		<h3>${name}</h3><p class="state">${r.role === 'primary' ? 'Primary' : 'Backup'}, ${PHASES[r.phase] ?? r.phase}${r.serving ? '' : ', not serving'}</p>
		<dl class="facts">
			<dt>Epoch</dt><dd>${r.epoch.counter}.${r.epoch.replica}</dd>
			<dt>Applied</dt><dd>${number(r.applied)}${newest > r.applied ? `, ${number(newest - r.applied)} behind` : ''}</dd>
			<dt>In the set</dt><dd>${member(r)?.in_sync ? 'in sync' : member(r) ? 'not in sync' : '–'}</dd>
			<dt>Lease</dt><dd>${r.lease_ms === null || r.lease_ms === undefined ? 'not needed' : `${number(r.lease_ms)} ms left`}</dd>
			<dt>Waiting writes</dt><dd>${number(r.queue)}</dd>
			<dt>Up for</dt><dd>${duration(r.uptime)}</dd>
		</dl></li>`;
}

function Replicas({ data }) {
	const answers = (service) => data.map((d) => d.answer.data).filter((r) => r?.service === service);
	return html`<ul class="replicas" role="list">${data.toSorted((a, b) => (a.replica < b.replica ? -1 : 1)).map((d) => html`<${Replica} key=${d.replica} name=${d.replica} answer=${d.answer}
		service=${answers(d.answer.data?.service)} />`)}</ul>`;
}

// ---- Plots ----

const colour = (name) => {
	// A canvas knows no custom properties: the browser is asked what this one comes to.
	const probe = document.createElement('i');
	probe.className = `probe-${name}`;
	document.body.append(probe);
	const value = getComputedStyle(probe).color;
	probe.remove();
	return value;
};

function Plot({ title, unit, names, rows }) {
	const place = useRef(null), plot = useRef(null);
	useEffect(() => {
		const draw = () => {
			plot.current?.destroy();
			const axis = { stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line') } };
			const strokes = ['brand', 'wait'].map(colour), drawn = Date.now() / 1000; // before there is a point
			plot.current = new uPlot({
				width: place.current.clientWidth, height: 180, cursor: { show: false }, legend: { show: false },
				scales: { x: { range: (u, min, max) => [Math.max(max, drawn) - (SHOWN * EVERY_MS) / 1000, Math.max(max, drawn)] }, y: { range: (u, min, max) => [0, Math.max(1, max * 1.1)] } },
				axes: [axis, { ...axis, size: 56 }],
				series: [{}, ...names.map((name, i) => ({ label: name, stroke: strokes[i], width: 2 }))],
			}, rows, place.current);
		};
		draw();
		const scheme = matchMedia('(prefers-color-scheme: dark)');
		const size = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: 180 }));
		scheme.addEventListener('change', draw);
		size.observe(place.current);
		return () => {
			scheme.removeEventListener('change', draw);
			size.disconnect();
			plot.current.destroy();
		};
	}, []);
	useEffect(() => plot.current?.setData(rows), [rows]);
	const latest = (row) => (typeof row.at(-1) === 'number' ? `${number(row.at(-1))} ${unit}` : '–');
	const now = names.map((name, i) => `${name}: ${latest(rows[i + 1])}`);
	return html`<figure class="plot"><figcaption><strong>${title}</strong>
			${names.map((name, i) => html`<span class=${`line line-${i}`}>${now[i]}</span>`)}</figcaption>
		<div ref=${place} role="img" aria-label=${`${title}, the last minutes. Now ${now.join(', ')}`}></div></figure>`;
}

// What the counters add up to, between one look and the next.
function totals(status, cache) {
	const applied = (service) => Math.max(0, ...status.map((d) => d.answer.data).filter((r) => r?.service === service).map((r) => r.applied));
	return { reads: cache.total_requests, catalog: applied('catalog'), order: applied('order') };
}

async function look() {
	const [{ data: cache }, { data: status }] = await Promise.all([get('/cache-stats'), get('/status')]);
	return { at: Date.now() / 1000, cache, status, totals: totals(status, cache) };
}

const perSecond = (now, before, name) => Math.max(0, (now.totals[name] - before.totals[name]) / (now.at - before.at));

// What the replicas of a service answered between two looks: how many requests a second, and how long
// (ms) half of them and 99 of 100 took at most; null where there were none. One that was started in
// between counts from its next look on.
function answered(now, before, service) {
	let requests = 0, bounds = [], took = [];
	for (const { replica, answer: { data: r } } of now.status) {
		const b = before.status.find((d) => d.replica === replica)?.answer.data;
		if (r?.service !== service || r.pid !== b?.pid) continue;
		requests += r.requests.answered - b.requests.answered;
		bounds = r.requests.bounds_us;
		took = r.requests.took.map((n, i) => (took[i] ?? 0) + n - b.requests.took[i]);
	}
	const quantile = (share) => {
		let left = share * requests;
		if (left === 0) return null;
		const at = took.findIndex((n) => { left -= n; return left <= 0; });
		const from = at > 0 ? bounds[at - 1] : 0, to = bounds[at] ?? bounds.at(-1);
		return (to + ((to - from) * left) / took[at]) / 1000;
	};
	return { rate: requests / (now.at - before.at), half: quantile(0.5), most: quantile(0.99) };
}

// ---- The cache ----

function Cache({ cache }) {
	const [doing, setDoing] = useState({});
	const empty = async () => {
		setDoing({ busy: true });
		try {
			const { body } = await change('POST', '/invalidate-cache');
			setDoing({ done: `${body.invalidated_keys.length} answers were removed.` });
		} catch (error) {
			setDoing({ error });
		}
	};
	return html`<dl class="tiles">
			<div><dt>Hit rate</dt><dd>${number(cache.hit_rate_percent)} %</dd></div>
			<div><dt>Answers kept</dt><dd>${number(cache.cache_size)} <small>of ${number(cache.max_cache_size)}</small></dd></div>
			<div><dt>Reads</dt><dd>${number(cache.total_requests)}</dd></div>
			<div><dt>Invalidations</dt><dd>${number(cache.invalidations)}</dd></div>
		</dl>
		<p class="actions"><button type="button" class="quiet" disabled=${doing.busy} onClick=${empty}>Empty the cache</button></p>
		<div aria-live="polite">${doing.done && html`<p class="done">${doing.done}</p>`}${doing.error && html`<${Failure} error=${doing.error.status === 401 ? new Error('This needs the admin token: open the desk first.') : doing.error} />`}</div>`;
}

export function Operations() {
	useTitle('Operations');
	const [looks, setLooks] = useState([]);
	const [error, setError] = useState(null);
	useEffect(() => {
		const style = document.createElement('link');
		style.rel = 'stylesheet';
		style.href = new URL('./vendor/uplot.css', import.meta.url);
		document.head.append(style);
		let timer, here = true;
		const again = async () => {
			try {
				const seen = document.hidden ? null : await look();
				if (here && seen) setLooks((before) => [...before, seen].slice(-SHOWN - 1));
				if (here) setError(null);
			} catch (failure) {
				if (here) setError(failure);
			}
			if (here) timer = setTimeout(again, EVERY_MS);
		};
		again();
		return () => {
			here = false;
			clearTimeout(timer);
			style.remove();
		};
	}, []);
	const last = looks.at(-1);
	if (!last) return html`<h1>Operations</h1>${error ? html`<${Failure} error=${error} />` : html`<${Waiting} what="Asking the replicas" />`}`;
	const steps = looks.slice(1), rate = (name) => steps.map((l, i) => perSecond(l, looks[i], name));
	const times = steps.map((l) => l.at);
	const work = (service) => steps.map((l, i) => answered(l, looks[i], service));
	const catalog = work('catalog'), order = work('order');
	const sick = last.status.filter((d) => !d.answer.data || !healthy(d.answer.data)).length;
	return html`<h1>Operations</h1>
		${error && html`<${Failure} error=${error} />`}
		<p class=${`notice ${sick === 0 ? 'good' : 'wait'}`} role="status">${sick === 0 ? 'All replicas are well.' : `${sick} of ${last.status.length} replicas need a look.`}</p>
		<h2>Replicas</h2><${Replicas} data=${last.status} />
		<h2>Now</h2><div class="plots">
			<${Plot} title="Requests answered by replicas" unit="/s" names=${['catalog', 'orders']} rows=${[times, catalog.map((w) => w.rate), order.map((w) => w.rate)]} />
			<${Plot} title="Answer time of the catalog" unit="ms" names=${['median', '99 %']} rows=${[times, catalog.map((w) => w.half), catalog.map((w) => w.most)]} />
			<${Plot} title="Answer time of orders" unit="ms" names=${['median', '99 %']} rows=${[times, order.map((w) => w.half), order.map((w) => w.most)]} />
			<${Plot} title="Look-ups in the cache" unit="/s" names=${['reads']} rows=${[times, rate('reads')]} />
			<${Plot} title="Writes in the log" unit="/s" names=${['catalog', 'orders']} rows=${[times, rate('catalog'), rate('order')]} />
		</div>
		<h2>Cache</h2><${Cache} cache=${last.cache} />
		<p class="hint">The same as JSON: <a href="/status" data-away>/status</a>, <a href="/cache-stats" data-away>/cache-stats</a></p>`;
}
