CREATE TEMPORARY TABLE stage_transactions (transaction_id TEXT, user_id TEXT, timestamp TIMESTAMPTZ, amount_cents BIGINT, category TEXT, country TEXT, payment_method TEXT, quantity INTEGER, product_id TEXT, session_id TEXT, card TEXT, device TEXT, ip TEXT, email TEXT, source_offset BIGINT) ON COMMIT DELETE ROWS;

WITH accepted AS (
    INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, payment_method, quantity, product_id, session_id, card, device, ip, email, source_offset, source_partition)
    SELECT s.transaction_id, s.user_id, s.timestamp, s.amount_cents * 0.01, s.category, s.country, s.payment_method, s.quantity, s.product_id, s.session_id, s.card, s.device, s.ip, s.email, s.source_offset, s.source_partition FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_transactions) AS s
    ORDER BY s.transaction_id COLLATE "C", s.source_partition, s.source_offset
    ON CONFLICT (transaction_id) DO NOTHING
    RETURNING source_partition, timestamp, total_amount, category, country
), slices AS (
    SELECT
        source_partition,
        date_bin($2::INTERVAL, timestamp, to_timestamp(0)) AS pane_start,
        date_bin('1 minute', timestamp, to_timestamp(0)) AS minute,
        name_or_unknown(category) AS category, name_or_unknown(country) AS country,
        sum(total_amount) AS total_amount, count(*) AS transaction_count
    FROM accepted GROUP BY 1, 2, 3, 4, 5
), minutes AS (
    SELECT
        source_partition, minute, country,
        sum(total_amount) AS total_amount, sum(transaction_count) AS transaction_count
    FROM slices GROUP BY 1, 2, 3
), sales_panes_sums AS (
    INSERT INTO sales_panes AS t
        (pane_start, source_partition, category, country, total_amount, transaction_count)
    SELECT pane_start, source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_panes_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_hourly_sums AS (
    INSERT INTO sales_hourly AS t
        (hour, source_partition, category, country, total_amount, transaction_count)
    SELECT date_bin('1 hour', minute, to_timestamp(0)), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_hourly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_daily_sums AS (
    INSERT INTO sales_daily AS t
        (day, source_partition, category, country, total_amount, transaction_count)
    SELECT date_bin('1 day', minute, to_timestamp(0)), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_daily_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_weekly_sums AS (
    INSERT INTO sales_weekly AS t
        (week, source_partition, category, country, total_amount, transaction_count)
    SELECT date_trunc('week', minute, 'UTC'), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_weekly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_minutely_sums AS (
    INSERT INTO revenue_minutely AS t
        (minute, source_partition, country, total_amount, transaction_count)
    SELECT minute, source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_minutely_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_hourly_sums AS (
    INSERT INTO revenue_hourly AS t
        (hour, source_partition, country, total_amount, transaction_count)
    SELECT date_bin('1 hour', minute, to_timestamp(0)), source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_hourly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_daily_sums AS (
    INSERT INTO revenue_daily AS t
        (day, source_partition, country, total_amount, transaction_count)
    SELECT date_bin('1 day', minute, to_timestamp(0)), source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_daily_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.user_id, s.timestamp, s.amount_cents * 0.01, s.category, s.country, s.payment_method, s.quantity, s.product_id, s.session_id, s.card, s.device, s.ip, s.email) IS DISTINCT FROM ROW(t.user_id, t.timestamp, t.total_amount, t.category, t.country, t.payment_method, t.quantity, t.product_id, t.session_id, t.card, t.device, t.ip, t.email) AS conflicting
FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_transactions) AS s JOIN transactions t ON t.transaction_id = s.transaction_id
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

WITH accepted AS (
    INSERT INTO transactions (transaction_id, user_id, timestamp, total_amount, category, country, payment_method, quantity, product_id, session_id, card, device, ip, email, source_offset, source_partition)
    SELECT s.transaction_id, s.user_id, s.timestamp, s.amount_cents * 0.01, s.category, s.country, s.payment_method, s.quantity, s.product_id, s.session_id, s.card, s.device, s.ip, s.email, s.source_offset, s.source_partition FROM unnest($3::TEXT[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::BIGINT[], $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::INTEGER[], $11::TEXT[], $12::TEXT[], $13::TEXT[], $14::TEXT[], $15::TEXT[], $16::TEXT[], $17::BIGINT[], $1::INTEGER[]) AS s (transaction_id, user_id, timestamp, amount_cents, category, country, payment_method, quantity, product_id, session_id, card, device, ip, email, source_offset, source_partition)
    ORDER BY s.transaction_id COLLATE "C", s.source_partition, s.source_offset
    ON CONFLICT (transaction_id) DO NOTHING
    RETURNING source_partition, timestamp, total_amount, category, country
), slices AS (
    SELECT
        source_partition,
        date_bin($2::INTERVAL, timestamp, to_timestamp(0)) AS pane_start,
        date_bin('1 minute', timestamp, to_timestamp(0)) AS minute,
        name_or_unknown(category) AS category, name_or_unknown(country) AS country,
        sum(total_amount) AS total_amount, count(*) AS transaction_count
    FROM accepted GROUP BY 1, 2, 3, 4, 5
), minutes AS (
    SELECT
        source_partition, minute, country,
        sum(total_amount) AS total_amount, sum(transaction_count) AS transaction_count
    FROM slices GROUP BY 1, 2, 3
), sales_panes_sums AS (
    INSERT INTO sales_panes AS t
        (pane_start, source_partition, category, country, total_amount, transaction_count)
    SELECT pane_start, source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_panes_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_hourly_sums AS (
    INSERT INTO sales_hourly AS t
        (hour, source_partition, category, country, total_amount, transaction_count)
    SELECT date_bin('1 hour', minute, to_timestamp(0)), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_hourly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_daily_sums AS (
    INSERT INTO sales_daily AS t
        (day, source_partition, category, country, total_amount, transaction_count)
    SELECT date_bin('1 day', minute, to_timestamp(0)), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_daily_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), sales_weekly_sums AS (
    INSERT INTO sales_weekly AS t
        (week, source_partition, category, country, total_amount, transaction_count)
    SELECT date_trunc('week', minute, 'UTC'), source_partition, category, country, sum(total_amount), sum(transaction_count)
    FROM slices GROUP BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT sales_weekly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_minutely_sums AS (
    INSERT INTO revenue_minutely AS t
        (minute, source_partition, country, total_amount, transaction_count)
    SELECT minute, source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_minutely_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_hourly_sums AS (
    INSERT INTO revenue_hourly AS t
        (hour, source_partition, country, total_amount, transaction_count)
    SELECT date_bin('1 hour', minute, to_timestamp(0)), source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_hourly_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
), revenue_daily_sums AS (
    INSERT INTO revenue_daily AS t
        (day, source_partition, country, total_amount, transaction_count)
    SELECT date_bin('1 day', minute, to_timestamp(0)), source_partition, country, sum(total_amount), sum(transaction_count)
    FROM minutes GROUP BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT revenue_daily_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.user_id, s.timestamp, s.amount_cents * 0.01, s.category, s.country, s.payment_method, s.quantity, s.product_id, s.session_id, s.card, s.device, s.ip, s.email) IS DISTINCT FROM ROW(t.user_id, t.timestamp, t.total_amount, t.category, t.country, t.payment_method, t.quantity, t.product_id, t.session_id, t.card, t.device, t.ip, t.email) AS conflicting
FROM unnest($2::TEXT[], $3::TEXT[], $4::TIMESTAMPTZ[], $5::BIGINT[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::INTEGER[], $10::TEXT[], $11::TEXT[], $12::TEXT[], $13::TEXT[], $14::TEXT[], $15::TEXT[], $16::BIGINT[], $1::INTEGER[]) AS s (transaction_id, user_id, timestamp, amount_cents, category, country, payment_method, quantity, product_id, session_id, card, device, ip, email, source_offset, source_partition) JOIN transactions t ON t.transaction_id = s.transaction_id
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

