-- Orders, refusals and revenue of each day (UTC). Refusals are sales that more stock would have made.
SELECT substr(created_at, 1, 10)                                AS day,
       sum(status = 'CONFIRMED')                                AS sold,
       sum(status = 'REJECTED')                                 AS refused,
       coalesce(sum(paid), 0) / 100.0                           AS revenue
FROM orders o LEFT JOIN
     (SELECT order_id, sum(quantity * price) AS paid FROM sales GROUP BY order_id) s
     ON s.order_id = o.order_id
GROUP BY day
ORDER BY day;
