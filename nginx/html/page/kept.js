// What this device remembers, across tabs and restarts: one item of localStorage a thing, so that two
// tabs never write over each other. Without storage (full, or forbidden) it holds while the page is open.
const memory = new Map();
const listeners = new Set();

const tell = () => listeners.forEach((listener) => listener());
addEventListener('storage', tell); // another tab

// `listener` is called after every change, here or in another tab; answers how to end that.
export function subscribe(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

export function keep(name, value) {
	try {
		localStorage.setItem(name, JSON.stringify(value));
	} catch {
		memory.set(name, value);
	}
	tell();
}

export function drop(name) {
	memory.delete(name);
	try {
		localStorage.removeItem(name);
	} catch { /* then it was never there */ }
	tell();
}

function stored(prefix) {
	const found = [];
	try {
		for (const name of Object.keys(localStorage)) {
			if (name.startsWith(prefix)) found.push(...parsed(localStorage.getItem(name)));
		}
	} catch { /* forbidden: nothing is there */ }
	return found;
}

// One value, or none where something else wrote what is no JSON.
function parsed(text) {
	try {
		return [JSON.parse(text)];
	} catch {
		return [];
	}
}

// All values whose names begin with `prefix`, in no order.
export function all(prefix) {
	const here = [...memory].filter(([name]) => name.startsWith(prefix)).map(([, value]) => value);
	return [...stored(prefix), ...here];
}
