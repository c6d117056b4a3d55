-- The tables of Bazar.com, their constraints, and (with seed.sql) their first contents: the
-- authority. The replicas keep the same rows in Berkeley DB's native B-trees; fcgi/catalog/rows.h
-- and fcgi/order/rows.h say how, and tests/unit/test_catalog.c compares the limits.
--
-- Dialect: Berkeley DB SQL 5.3 (SQLite 3.7.6: no multi-row VALUES, no WITH). Lengths are bytes of
-- UTF-8, money is integer cents, times are milliseconds since 1970.

PRAGMA foreign_keys = ON;

CREATE TABLE books (
	id       INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 999999999999999999),
	title    TEXT    NOT NULL CHECK (length(CAST(title AS BLOB)) BETWEEN 1 AND 512),
	author   TEXT    NOT NULL DEFAULT '' CHECK (length(CAST(author AS BLOB)) <= 512),
	topic    TEXT    NOT NULL CHECK (length(CAST(topic AS BLOB)) BETWEEN 1 AND 128),
	price    INTEGER NOT NULL CHECK (typeof(price) = 'integer' AND price BETWEEN 1 AND 999999999),
	quantity INTEGER NOT NULL CHECK (typeof(quantity) = 'integer' AND quantity BETWEEN 0 AND 1000000000),
	stocked  INTEGER NOT NULL CHECK (quantity <= stocked) -- first quantity plus all stock changes
);

CREATE INDEX books_by_topic ON books (topic, id);

-- The catalog's word on an order: the stock was taken, or why it was not.
CREATE TABLE reservations (
	order_id TEXT    PRIMARY KEY CHECK (length(order_id) = 36),
	book_id  INTEGER NOT NULL, -- no foreign key: an unknown book is refused, and that is kept too
	quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
	result   TEXT    NOT NULL CHECK (result IN ('ok', 'no-book', 'sold-out', 'insufficient')),
	price    INTEGER CHECK ((result = 'ok') = (price IS NOT NULL))
);

CREATE TABLE orders (
	id         TEXT    PRIMARY KEY CHECK (length(id) = 36),
	book_id    INTEGER NOT NULL,
	quantity   INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
	status     TEXT    NOT NULL CHECK (status IN ('pending', 'confirmed', 'rejected')),
	price      INTEGER CHECK (price BETWEEN 1 AND 999999999), -- each
	title      TEXT,
	created_at INTEGER NOT NULL,
	CHECK ((status = 'confirmed') = (price IS NOT NULL AND title IS NOT NULL))
);

CREATE INDEX orders_by_time ON orders (created_at DESC, id);
