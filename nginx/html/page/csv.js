// RFC 4180: fields between commas, in quotes where they hold commas, quotes (doubled) or line ends.

// All records, each a list of fields. Lines that are empty are none. Throws Error for a quote that
// is never closed.
export function parse(text) {
	const records = [];
	let fields = [], field = '', quoted = false;
	const endRecord = () => {
		if (fields.length > 0 || field !== '') records.push([...fields, field]);
		fields = [];
		field = '';
	};
	for (let i = text.charCodeAt(0) === 0xfeff ? 1 : 0; i < text.length; i++) {
		const c = text[i];
		if (quoted) {
			if (c !== '"') field += c;
			else if (text[i + 1] === '"') field += text[++i];
			else quoted = false;
		} else if (c === '"') quoted = true;
		else if (c === ',') {
			fields.push(field);
			field = '';
		} else if (c === '\n') endRecord();
		else if (c !== '\r') field += c;
	}
	if (quoted) throw new Error('A quotation mark is never closed.');
	endRecord();
	return records;
}

const NEEDED = ['title', 'topic', 'price'];

// Books as POST /books takes them. Columns are found by the names in the first line; others than the
// catalog's are left out.
export function books(text) {
	const [names, ...rows] = parse(text);
	const column = Object.fromEntries((names ?? []).map((name, i) => [name.trim().toLowerCase(), i]));
	const missing = NEEDED.filter((name) => !(name in column));
	if (missing.length > 0) throw new Error(`The first line must name the columns; missing: ${missing.join(', ')}.`);
	const number = (row, name) => (row[column[name]] === undefined || row[column[name]] === '' ? undefined : Number(row[column[name]]));
	return rows.map((row) => ({
		id: number(row, 'id'),
		title: row[column.title],
		author: row[column.author],
		topic: row[column.topic],
		price: number(row, 'price'),
		quantity: number(row, 'quantity'),
	}));
}
