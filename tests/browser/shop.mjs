// A whole shop of a test's own, and a way to it on which answers can get lost.
import { execFile } from 'node:child_process';
import { createServer, request } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TOP = fileURLToPath(new URL('../..', import.meta.url));
export const BUILD = resolve(TOP, process.env.BUILD ?? 'build');
const OFFSETS = [0, 80, 81, 82, 83];

export async function until(condition, what, seconds = 20) {
	for (const end = Date.now() + seconds * 1000; ;) {
		const value = await condition();
		if (value) return value;
		if (Date.now() > end) throw new Error(`${what} did not come about within ${seconds} s`);
		await new Promise((done) => setTimeout(done, 50));
	}
}

const taken = (port) => new Promise((done) => {
	const socket = connect(port, '127.0.0.1');
	socket.on('connect', () => { socket.destroy(); done(true); }).on('error', () => done(false));
});

async function freePort() {
	const first = 20000 + ((process.pid * 200) % 9800);
	for (let port = first; port < first + 9800; port += 200) {
		if (!(await Promise.all(OFFSETS.map((offset) => taken(port + offset)))).includes(true)) return port;
	}
	throw new Error('no free ports');
}

export class Shop {
	static async open(settings = {}) {
		const shop = new Shop();
		shop.port = await freePort();
		shop.home = await mkdtemp(join(tmpdir(), 'bazar-browser-'));
		shop.settings = settings;
		await shop.command('bazar-run', '--port', String(shop.port), 'up');
		return shop;
	}

	get url() { return `http://localhost:${this.port}`; }

	async command(program, ...args) {
		const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BAZAR_')));
		return run(join(BUILD, program), ['--run', join(this.home, 'run'), ...args], { env: { ...env, ...this.settings } });
	}

	async close() {
		await this.command('bazar-run', 'down');
		await rm(this.home, { recursive: true });
	}

	async pid(name) {
		const lines = await readFile(join(this.home, 'run/pids'), 'utf8');
		return Number(lines.split('\n').map((line) => line.split(' ')).find(([n]) => n === name)?.[1]);
	}

	// kill -9; the supervisor starts it again.
	async kill(name) {
		process.kill(await this.pid(name), 'SIGKILL');
	}

	async ask(method, path, json, headers = {}) {
		const answer = await fetch(this.url + path, {
			method,
			headers: { ...(json && { 'Content-Type': 'application/json' }), ...headers },
			body: json && JSON.stringify(json),
		});
		return { status: answer.status, ...(await answer.json()) };
	}

	async book(id) { return (await this.ask('GET', `/info/${id}`)).data; }
	async ordersOf(book) { return (await this.ask('GET', '/orders?limit=1000')).data.filter((o) => o.book_id === book); }
	// Books enough for long lists, from a CSV file: a third of them are of the 2000s, and one is The Hobbit.
	async stockUp(count) {
		const rows = Array.from({ length: count }, (_, i) => `${i + 1},"Volume ${i + 1}, a Book",Author ${i % 97},${i % 3 ? `${1850 + 10 * (i % 15)}s` : '2000s'},${1 + (i % 90)}.50,${i % 40}`);
		rows[count / 2] = `${count / 2 + 1},"The Hobbit, or There and Back Again",J. R. R. Tolkien,1930s,12.99,7`;
		const path = join(this.home, 'books.csv');
		await writeFile(path, ['id,title,author,topic,price,quantity', ...rows, ''].join('\n'));
		await this.command('bazarctl', 'import', '--replace', path);
	}

	async setStock(id, quantity) {
		const now = (await this.book(id)).quantity;
		if (now !== quantity) await this.ask('PUT', `/update/${id}/stock`, { quantity_change: quantity - now });
	}
}

// A way to the shop. `lose(method, path)` says which requests it carries out without bringing back the
// answer; `lost` counts them.
export class Way {
	static async to(shop) {
		const way = new Way();
		way.lose = () => false;
		way.lost = 0;
		way.server = createServer((q, r) => {
			const onward = request({ host: '127.0.0.1', port: shop.port, method: q.method, path: q.url, headers: q.headers }, (answer) => {
				if (way.lose(q.method, q.url)) {
					way.lost++;
					answer.resume();
					answer.on('end', () => q.socket.destroy());
					return;
				}
				r.writeHead(answer.statusCode, answer.headers);
				answer.pipe(r);
			});
			onward.on('error', () => q.socket.destroy());
			q.pipe(onward);
		});
		await new Promise((done) => way.server.listen(0, '127.0.0.1', done));
		return way;
	}

	get url() { return `http://localhost:${this.server.address().port}`; }

	async close() {
		this.server.closeAllConnections();
		await new Promise((done) => this.server.close(done));
	}
}
