-- The marts of the nightly batch as DuckDB makes them; {gap} minutes end a session of orders without an id,
-- {as_of} is the last day. Read from the views transactions, product_views, cart_events.

CREATE TABLE fact_sales AS
SELECT date_time, country, category, total_amount, transaction_count,
       average(total_amount, transaction_count) AS avg_transaction_value
FROM (
    SELECT date_trunc('hour', timestamp) AS date_time, coalesce(country, 'unknown') AS country,
           coalesce(category, 'unknown') AS category, sum(total_amount)::DECIMAL(24, 2) AS total_amount,
           count(*) AS transaction_count
    FROM transactions GROUP BY ALL
);

CREATE TABLE fact_sessions AS
WITH lone AS (
    SELECT *, timestamp - lag(timestamp) OVER w AS pause
    FROM transactions WHERE session_id IS NULL
    WINDOW w AS (PARTITION BY user_id ORDER BY timestamp, transaction_id)
), numbered AS (
    SELECT *, count_if(pause IS NULL OR pause > INTERVAL {gap} MINUTE)
        OVER (PARTITION BY user_id ORDER BY timestamp, transaction_id) AS number
    FROM lone
), derived AS (
    SELECT *, user_id || '@' || strftime(
        min(timestamp) OVER (PARTITION BY user_id, number) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS derived_id
    FROM numbered
), events AS (
    SELECT session_id, user_id, timestamp, transaction_id AS id, 'order' AS kind, country,
           quantity AS units, total_amount AS revenue
    FROM transactions WHERE session_id IS NOT NULL
    UNION ALL SELECT derived_id, user_id, timestamp, transaction_id, 'order', country, quantity, total_amount FROM derived
    UNION ALL SELECT session_id, user_id, timestamp, event_id, 'view', country, 0, 0 FROM product_views
    UNION ALL SELECT session_id, user_id, timestamp, event_id, action, country, 0, 0 FROM cart_events
), sessions AS (
    SELECT session_id, arg_min(user_id, (timestamp, id)) AS user_id,
           coalesce(arg_min(country, (timestamp, id)) FILTER (country IS NOT NULL), 'unknown') AS country,
           min(timestamp) AS started_at, max(timestamp) AS ended_at,
           count_if(kind = 'view') AS views, count_if(kind = 'add') AS cart_adds,
           count_if(kind = 'remove') AS cart_removes, count_if(kind = 'checkout') AS checkouts,
           count_if(kind = 'order') AS transactions, sum(units)::BIGINT AS units,
           sum(revenue)::DECIMAL(24, 2) AS revenue
    FROM events GROUP BY session_id
)
SELECT session_id, user_id, country, started_at, ended_at,
       date_sub('second', started_at, ended_at) AS duration_seconds,
       views, cart_adds, cart_removes, checkouts, transactions, units, revenue,
       transactions > 0 AS converted, cart_adds > 0 AND transactions = 0 AS abandoned
FROM sessions;

CREATE TABLE customer_segments AS
WITH customers AS (
    SELECT user_id, max(timestamp) AS last_purchase, count(*) AS frequency,
           sum(total_amount)::DECIMAL(24, 2) AS monetary,
           arg_max(coalesce(country, 'unknown'), (timestamp, transaction_id)) AS country
    FROM transactions GROUP BY user_id
), scored AS (
    SELECT *, ((rank() OVER (ORDER BY last_purchase) - 1) * 5 // count(*) OVER ()) + 1 AS r_score,
           ((rank() OVER (ORDER BY frequency) - 1) * 5 // count(*) OVER ()) + 1 AS f_score,
           ((rank() OVER (ORDER BY monetary) - 1) * 5 // count(*) OVER ()) + 1 AS m_score
    FROM customers
)
SELECT user_id, country, DATE '{as_of}' - (last_purchase AT TIME ZONE 'UTC')::DATE AS recency, frequency, monetary,
       r_score::INTEGER AS r_score, f_score::INTEGER AS f_score, m_score::INTEGER AS m_score,
       concat(r_score, f_score, m_score) AS rfm_segment, segment_name, NULL::VARCHAR AS previous_segment,
       last_purchase, TIMESTAMPTZ '{as_of} 00:00:00+00' AS analysis_date
FROM scored JOIN segment_names ON r_score = r AND f_score = f;

CREATE TABLE segment_migrations AS
SELECT coalesce(previous_segment, '(none)') AS "from", segment_name AS "to", count(*) AS customers,
       sum(monetary)::DECIMAL(24, 2) AS revenue, max(analysis_date) AS analysis_date
FROM customer_segments GROUP BY ALL;

CREATE TABLE sales_trends AS
WITH daily AS (
    SELECT (date_time AT TIME ZONE 'UTC')::DATE AS day, country, sum(total_amount) AS revenue,
           sum(transaction_count)::BIGINT AS transactions
    FROM fact_sales GROUP BY ALL
), sums AS (
    SELECT kind, date_trunc(unit, day)::DATE AS start, country,
           sum(revenue)::DECIMAL(24, 2) AS revenue, sum(transactions)::BIGINT AS transactions
    FROM daily, (VALUES ('daily', 'day'), ('weekly', 'week'), ('monthly', 'month')) periods(kind, unit)
    GROUP BY GROUPING SETS ((kind, unit, date_trunc(unit, day)::DATE, country), (kind, unit, date_trunc(unit, day)::DATE))
), following AS (
    SELECT *, (start + CASE kind WHEN 'daily' THEN INTERVAL 1 DAY WHEN 'weekly' THEN INTERVAL 7 DAY
                       ELSE INTERVAL 1 MONTH END)::DATE AS next_start
    FROM sums
), compared AS (
    SELECT *, CASE WHEN lag(next_start) OVER w = start THEN lag(revenue) OVER w END AS before
    FROM following WINDOW w AS (PARTITION BY kind, country ORDER BY start)
)
SELECT kind AS period_type,
       CASE kind WHEN 'daily' THEN strftime(start, '%Y-%m-%d') WHEN 'weekly' THEN strftime(start, '%G-W%V')
            ELSE strftime(start, '%Y-%m') END AS period,
       start::TIMESTAMP AT TIME ZONE 'UTC' AS period_start, country, revenue, transactions,
       ratio(((revenue - before) * 100)::HUGEINT, (before * 100)::HUGEINT) AS revenue_growth_rate,
       next_start > DATE '{as_of}' + 1 AS partial, TIMESTAMPTZ '{as_of} 00:00:00+00' AS analysis_date
FROM compared;

CREATE TABLE product_performance AS
WITH counted AS (
    SELECT product_id, coalesce(country, 'unknown') AS country, sum(total_amount) AS revenue, sum(quantity) AS units,
           count(*) AS transaction_count, 0 AS views, 0 AS cart_adds,
           max((timestamp, category)) FILTER (category IS NOT NULL) AS seen
    FROM transactions WHERE product_id IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT product_id, coalesce(country, 'unknown'), 0, 0, 0, count(*), 0,
           max((timestamp, category)) FILTER (category IS NOT NULL)
    FROM product_views GROUP BY ALL
    UNION ALL
    SELECT product_id, coalesce(country, 'unknown'), 0, 0, 0, 0, count_if(action = 'add'),
           max((timestamp, category)) FILTER (category IS NOT NULL)
    FROM cart_events GROUP BY ALL
), summed AS (
    SELECT product_id, country, sum(revenue)::DECIMAL(24, 2) AS revenue, sum(units)::BIGINT AS units,
           sum(transaction_count)::BIGINT AS transaction_count, sum(views)::BIGINT AS views,
           sum(cart_adds)::BIGINT AS cart_adds
    FROM counted GROUP BY GROUPING SETS ((product_id, country), (product_id))
), categories AS (
    SELECT product_id, max(seen) AS seen FROM counted GROUP BY product_id
)
SELECT product_id, country, coalesce(seen[2], 'unknown') AS category, revenue, units, transaction_count,
       average(revenue, transaction_count) AS avg_transaction_value, views, cart_adds,
       ratio(transaction_count::HUGEINT, views::HUGEINT) AS conversion
FROM summed JOIN categories USING (product_id);
