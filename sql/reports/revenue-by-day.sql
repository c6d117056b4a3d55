-- Orders, refusals and revenue of each day (UTC). Refusals are sales that more stock would have made.
SELECT substr(created_at, 1, 10)                                AS day,
       sum(status = 'CONFIRMED')                                AS sold,
       sum(status = 'REJECTED')                                 AS refused,
       coalesce(sum(s.quantity * s.price), 0) / 100.0           AS revenue
FROM orders o LEFT JOIN sales s ON s.order_id = o.order_id
GROUP BY day
ORDER BY day;
