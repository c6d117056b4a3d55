// Which view an address shows. Every view has an address of its own; links are ordinary links, taken
// over here so that the page need not load again.
import { useEffect, useState } from './lib.js';

const listeners = new Set();

// `focus`: whether the new view takes the focus; somebody who types keeps it.
export function go(address, { replace = false, focus = true } = {}) {
	history[replace ? 'replaceState' : 'pushState']({ focus }, '', address);
	listeners.forEach((listener) => listener());
	if (!replace && focus) scrollTo(0, 0);
}

addEventListener('popstate', () => listeners.forEach((listener) => listener()));
addEventListener('click', (event) => {
	const link = event.target.closest?.('a[href]');
	if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.dataset.away !== undefined) return;
	if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.origin !== location.origin) return;
	if (link.hash) return;
	event.preventDefault();
	go(link.href);
});

export function useAddress() {
	const [, draw] = useState(0);
	useEffect(() => {
		const listener = () => draw((n) => n + 1);
		listeners.add(listener);
		return () => listeners.delete(listener);
	}, []);
	return new URL(location.href);
}

// Names the page, once what it shows is there.
export function useTitle(title, ready = true) {
	useEffect(() => {
		if (!ready) return;
		document.title = title ? `${title} · Bazar.com` : 'Bazar.com';
	}, [title, ready]);
}

export const topicPath = (topic) => `/topic/${encodeURIComponent(topic)}`;
export const bookPath = (id) => `/book/${id}`;
export const orderPath = (id) => `/order/${id}`;
