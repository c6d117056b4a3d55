// What is in the cart of this device: books and copies, until they are bought or taken out.
import { all, drop, keep } from './kept.js';

export const LINES_MAX = 20, COPIES_MAX = 1000; // of one order
const LINE = 'bazar.cart.';

// {book, title, author, quantity, since}, in the order in which they were put in.
export const lines = () => all(LINE).sort((a, b) => a.since - b.since);
export const lineOf = (book) => lines().find((line) => line.book === book);

export const setCopies = (line, quantity) => keep(LINE + line.book, { ...line, quantity });
export const takeOut = (line) => drop(LINE + line.book);

// More copies of a book that is there already.
export function put(book, quantity) {
	const line = lineOf(book.id) ?? { book: book.id, title: book.title, author: book.author, quantity: 0, since: Date.now() };
	setCopies(line, Math.min(COPIES_MAX, line.quantity + quantity));
}

// What was bought leaves the cart; copies that were put in meanwhile stay.
export function bought(sold) {
	for (const { book, quantity } of sold) {
		const line = lineOf(book);
		if (line && line.quantity > quantity) setCopies(line, line.quantity - quantity);
		else if (line) takeOut(line);
	}
}
