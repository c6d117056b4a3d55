-- The first contents of a new store: entry 1 of the catalog's log.
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(1, 'How to get a good grade in DOS in 40 minutes a day', 'distributed systems', 5000, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(2, 'RPCs for Noobs', 'distributed systems', 5000, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(3, 'Xen and the Art of Surviving Undergraduate School', 'undergraduate school', 7500, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(4, 'Cooking for the Impatient Undergrad', 'undergraduate school', 5000, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(5, 'How to finish Project 3 on time', 'project management', 6000, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(6, 'Why theory classes are so hard', 'education', 6500, 100, 100);
INSERT INTO books (id, title, topic, price, quantity, stocked) VALUES
	(7, 'Spring in the Pioneer Valley', 'nature', 4500, 100, 100);
