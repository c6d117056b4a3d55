-- What to order: books with 10 copies left or fewer, the ones that sell most first.
SELECT b.id, b.title, b.quantity AS copies_left, coalesce(sum(s.quantity), 0) AS copies_sold
FROM books b LEFT JOIN sales s ON s.book_id = b.id
WHERE b.quantity <= 10
GROUP BY b.id
ORDER BY copies_sold DESC, b.id
LIMIT 100;
