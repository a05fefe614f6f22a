-- Every mart once more, in DuckDB's SQL, from the definitions. Times are UTC without saying so.
-- Given: transactions, product_views, cart_events, previous (user_id, segment_name), as_of, complete_before, gap.

CREATE MACRO named(text) AS
    CASE WHEN NOT regexp_full_match(text, '[\s\x{1c}-\x{1f}\x{85}\p{Z}]*(?i:unknown)?[\s\x{1c}-\x{1f}\x{85}\p{Z}]*') THEN text END;
CREATE MACRO label(text) AS coalesce(named(text), 'unknown');
CREATE MACRO cents(money) AS CAST(CAST(money AS DECIMAL(30, 2)) * 100 AS HUGEINT);
-- n / d in whole numbers, half away from zero.
CREATE MACRO half_up(n, d) AS
    CASE WHEN d > 0 THEN CAST(sign(n) AS HUGEINT) * ((2 * abs(n) + d) // (2 * d)) END;
CREATE MACRO hundredths(n) AS CAST(CAST(n AS DECIMAL(24, 0)) * 0.01 AS DECIMAL(24, 2));
CREATE MACRO ten_thousandths(n) AS CAST(CAST(n AS DECIMAL(20, 0)) * 0.0001 AS DECIMAL(24, 4));

CREATE VIEW fact_sales AS
SELECT date_trunc('hour', timestamp) AS date_time, label(country) AS country, label(category) AS category,
       sum(total_amount) AS total_amount, count(*) AS transaction_count,
       hundredths(half_up(cents(sum(total_amount)), count(*))) AS avg_transaction_value
FROM transactions GROUP BY 1, 2, 3;

CREATE VIEW customers AS
SELECT user_id, label(last(country ORDER BY timestamp, transaction_id)) AS country,
       max(timestamp) AS last_purchase, count(*) AS frequency, sum(total_amount) AS monetary
FROM transactions GROUP BY user_id;

CREATE VIEW scored AS
SELECT *, (rank() OVER (ORDER BY last_purchase) - 1) * 5 // count(*) OVER () + 1 AS r_score,
       (rank() OVER (ORDER BY frequency) - 1) * 5 // count(*) OVER () + 1 AS f_score,
       (rank() OVER (ORDER BY monetary) - 1) * 5 // count(*) OVER () + 1 AS m_score
FROM customers;

CREATE VIEW customer_segments AS
SELECT s.user_id, country, date_diff('day', CAST(last_purchase AS DATE), getvariable('as_of')) AS recency,
       frequency, monetary, r_score, f_score, m_score,
       concat(r_score, f_score, m_score) AS rfm_segment,
       CASE WHEN r_score = 1 AND f_score = 1 THEN 'Lost'
            WHEN r_score <= 2 AND f_score <= 2 THEN 'Hibernating'
            WHEN r_score <= 2 AND f_score <= 4 THEN 'At Risk'
            WHEN r_score <= 2 THEN 'Can''t Lose Them'
            WHEN r_score = 3 AND f_score <= 2 THEN 'About To Sleep'
            WHEN r_score = 3 AND f_score = 3 THEN 'Need Attention'
            WHEN r_score <= 4 AND f_score >= 4 THEN 'Loyal Customers'
            WHEN r_score = 4 AND f_score = 1 THEN 'Promising'
            WHEN f_score = 1 THEN 'New Customers'
            WHEN f_score <= 3 THEN 'Potential Loyalist'
            ELSE 'Champions' END AS segment_name,
       p.segment_name AS previous_segment, last_purchase,
       CAST(getvariable('as_of') AS TIMESTAMP) AS analysis_date
FROM scored s LEFT JOIN previous p ON p.user_id = s.user_id;

CREATE VIEW segment_migrations AS
SELECT coalesce(previous_segment, '(none)') AS "from", segment_name AS "to", count(*) AS customers,
       sum(monetary) AS revenue, max(analysis_date) AS analysis_date
FROM customer_segments GROUP BY 1, 2;

CREATE VIEW in_periods AS
SELECT 'daily' AS period_type, strftime(timestamp, '%Y-%m-%d') AS period,
       date_trunc('day', timestamp) AS start, INTERVAL 1 DAY AS length, country, total_amount FROM transactions
UNION ALL
SELECT 'weekly', strftime(timestamp, '%G-W%V'), date_trunc('week', timestamp), INTERVAL 7 DAY, country, total_amount
FROM transactions
UNION ALL
SELECT 'monthly', strftime(timestamp, '%Y-%m'), date_trunc('month', timestamp), INTERVAL 1 MONTH, country, total_amount
FROM transactions;

CREATE VIEW periods AS
SELECT period_type, period, CAST(start AS TIMESTAMP) AS start, length, label(country) AS country,
       sum(total_amount) AS revenue, count(*) AS transactions
FROM in_periods GROUP BY ALL
UNION ALL
SELECT period_type, period, CAST(start AS TIMESTAMP), length, NULL, sum(total_amount), count(*)
FROM in_periods GROUP BY period_type, period, start, length;

CREATE VIEW sales_trends AS
SELECT now.period_type, now.period, now.start AS period_start, now.country, now.revenue, now.transactions,
       ten_thousandths(half_up((cents(now.revenue) - cents(before.revenue)) * 10000, cents(before.revenue)))
           AS revenue_growth_rate,
       now.start + now.length > CAST(getvariable('complete_before') AS TIMESTAMP) AS partial,
       CAST(getvariable('as_of') AS TIMESTAMP) AS analysis_date
FROM periods now LEFT JOIN periods before
     ON before.period_type = now.period_type AND before.start + before.length = now.start
     AND before.country IS NOT DISTINCT FROM now.country;

CREATE VIEW product_events AS
SELECT product_id, country, category, timestamp, 'order' AS kind, quantity AS units, total_amount AS revenue
FROM transactions WHERE product_id IS NOT NULL
UNION ALL
SELECT product_id, country, category, timestamp, 'view', 0, 0 FROM product_views
UNION ALL
SELECT product_id, country, category, timestamp, action, 0, 0 FROM cart_events;

CREATE VIEW product_sums AS
SELECT product_id, country, sum(revenue) AS revenue, CAST(sum(units) AS BIGINT) AS units,
       count(*) FILTER (kind = 'order') AS orders, count(*) FILTER (kind = 'view') AS views,
       count(*) FILTER (kind = 'add') AS adds
FROM (SELECT * REPLACE (label(country) AS country) FROM product_events)
GROUP BY GROUPING SETS ((product_id, country), (product_id));

CREATE VIEW product_performance AS
SELECT s.product_id, s.country, label(c.category) AS category, revenue, units, orders AS transaction_count,
       hundredths(half_up(cents(revenue), orders)) AS avg_transaction_value, views, adds AS cart_adds,
       ten_thousandths(half_up(CAST(orders AS HUGEINT) * 10000, views)) AS conversion
FROM product_sums s LEFT JOIN
     (SELECT product_id, last(category ORDER BY timestamp, category) AS category
      FROM product_events WHERE named(category) IS NOT NULL GROUP BY product_id) c ON c.product_id = s.product_id;

CREATE VIEW orders AS
SELECT session_id, user_id, timestamp, transaction_id AS id, 'order' AS kind, country, quantity AS units,
       total_amount AS revenue
FROM transactions;

CREATE VIEW lone_orders AS
SELECT *, sum(begins) OVER (PARTITION BY user_id ORDER BY timestamp, id ROWS UNBOUNDED PRECEDING) AS visit
FROM (SELECT *, CASE WHEN timestamp - lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, id)
                          <= getvariable('gap') THEN 0 ELSE 1 END AS begins
      FROM orders WHERE session_id IS NULL);

CREATE VIEW session_events AS
SELECT * FROM orders WHERE session_id IS NOT NULL
UNION ALL BY NAME
SELECT user_id || '@' || strftime(min(timestamp) OVER (PARTITION BY user_id, visit), '%Y-%m-%dT%H:%M:%S.%fZ')
           AS session_id, user_id, timestamp, id, kind, country, units, revenue
FROM lone_orders
UNION ALL BY NAME
SELECT session_id, user_id, timestamp, event_id AS id, 'view' AS kind, country, 0 AS units, 0 AS revenue
FROM product_views
UNION ALL BY NAME
SELECT session_id, user_id, timestamp, event_id AS id, action AS kind, country, 0 AS units, 0 AS revenue
FROM cart_events;

CREATE VIEW fact_sessions AS
SELECT *, transactions > 0 AS converted, cart_adds > 0 AND transactions = 0 AS abandoned
FROM (SELECT session_id, first(user_id ORDER BY timestamp, id) AS user_id,
             label(first(country ORDER BY timestamp, id) FILTER (named(country) IS NOT NULL)) AS country,
             min(timestamp) AS started_at, max(timestamp) AS ended_at,
             (epoch_us(max(timestamp)) - epoch_us(min(timestamp))) // 1000000 AS duration_seconds,
             count(*) FILTER (kind = 'view') AS views, count(*) FILTER (kind = 'add') AS cart_adds,
             count(*) FILTER (kind = 'remove') AS cart_removes, count(*) FILTER (kind = 'checkout') AS checkouts,
             count(*) FILTER (kind = 'order') AS transactions, CAST(sum(units) AS BIGINT) AS units,
             CAST(sum(revenue) AS DECIMAL(24, 2)) AS revenue
      FROM session_events GROUP BY session_id);
