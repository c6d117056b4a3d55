-- The tables of Bazar.com, their constraints and, with seed.sql, their first contents: the authority.
-- The replicas keep the same rows in Berkeley DB's native B-trees (fcgi/catalog/rows.h,
-- fcgi/order/rows.h); sql/reports/load fills these tables from what `bazarctl export` writes.
--
-- Dialect: Berkeley DB SQL 5.3, that is SQLite 3.7.6 (no multi-row VALUES, no WITH). Lengths are
-- bytes of UTF-8, money is integer cents, times are RFC 3339 in UTC.

PRAGMA foreign_keys = ON;

CREATE TABLE books (
	id       INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 999999999999999999),
	title    TEXT    NOT NULL CHECK (length(CAST(title AS BLOB)) BETWEEN 1 AND 512),
	author   TEXT    NOT NULL DEFAULT '' CHECK (length(CAST(author AS BLOB)) <= 1024),
	topic    TEXT    NOT NULL CHECK (length(CAST(topic AS BLOB)) BETWEEN 1 AND 128),
	price    INTEGER NOT NULL CHECK (typeof(price) = 'integer' AND price BETWEEN 1 AND 999999999),
	quantity INTEGER NOT NULL CHECK (typeof(quantity) = 'integer' AND quantity BETWEEN 0 AND 1000000000),
	stocked  INTEGER NOT NULL CHECK (quantity <= stocked) -- first quantity plus all stock changes
);

CREATE INDEX books_by_topic ON books (topic, id);

-- An order is PENDING until the catalog's answer confirms or rejects it, for good and as a whole.
CREATE TABLE orders (
	order_id   TEXT    PRIMARY KEY CHECK (length(order_id) = 36),
	status     TEXT    NOT NULL CHECK (status IN ('PENDING', 'CONFIRMED', 'REJECTED')),
	created_at TEXT    NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z')
);

CREATE INDEX orders_by_time ON orders (created_at, order_id);

-- What it asks for: 1 to 20 lines, each of another book. No foreign key to it: a book that never was can
-- be asked for, and the refusal is kept.
CREATE TABLE order_lines (
	order_id TEXT    NOT NULL REFERENCES orders (order_id),
	book_id  INTEGER NOT NULL CHECK (book_id > 0),
	quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
	PRIMARY KEY (order_id, book_id)
);

-- What a line of a confirmed order was told: the title and the price of that moment, whatever the book's are
-- now. No foreign key: the book may have been withdrawn since.
CREATE TABLE sales (
	order_id TEXT    NOT NULL,
	book_id  INTEGER NOT NULL,
	title    TEXT    NOT NULL,
	price    INTEGER NOT NULL CHECK (price BETWEEN 1 AND 999999999), -- each
	quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
	PRIMARY KEY (order_id, book_id),
	FOREIGN KEY (order_id, book_id) REFERENCES order_lines (order_id, book_id)
);

CREATE INDEX sales_by_book ON sales (book_id);
