-- What sells: orders, copies and revenue of each topic, best first.
SELECT topic,
       count(DISTINCT order_id)           AS orders,
       sum(s.quantity)                    AS copies,
       sum(s.quantity * s.price) / 100.0  AS revenue
FROM sales s JOIN books b ON b.id = s.book_id
GROUP BY topic
ORDER BY revenue DESC, topic;
