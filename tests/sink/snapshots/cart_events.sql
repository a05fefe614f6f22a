CREATE TEMPORARY TABLE stage_cart_events (event_id TEXT, user_id TEXT, session_id TEXT, timestamp TIMESTAMPTZ, product_id TEXT, action TEXT, quantity INTEGER, category TEXT, country TEXT, source_offset BIGINT) ON COMMIT DELETE ROWS;

WITH accepted AS (
    INSERT INTO cart_events (event_id, user_id, session_id, timestamp, product_id, action, quantity, category, country, source_offset, source_partition)
    SELECT s.event_id, s.user_id, s.session_id, s.timestamp, s.product_id, s.action, s.quantity, s.category, s.country, s.source_offset, s.source_partition FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_cart_events) AS s
    ORDER BY s.event_id COLLATE "C", s.source_partition, s.source_offset
    ON CONFLICT (event_id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.user_id, s.session_id, s.timestamp, s.product_id, s.action, s.quantity, s.category, s.country) IS DISTINCT FROM ROW(t.user_id, t.session_id, t.timestamp, t.product_id, t.action, t.quantity, t.category, t.country) AS conflicting
FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_cart_events) AS s JOIN cart_events t ON t.event_id = s.event_id
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

WITH accepted AS (
    INSERT INTO cart_events (event_id, user_id, session_id, timestamp, product_id, action, quantity, category, country, source_offset, source_partition)
    SELECT s.event_id, s.user_id, s.session_id, s.timestamp, s.product_id, s.action, s.quantity, s.category, s.country, s.source_offset, s.source_partition FROM unnest($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::TEXT[], $7::TEXT[], $8::INTEGER[], $9::TEXT[], $10::TEXT[], $11::BIGINT[], $1::INTEGER[]) AS s (event_id, user_id, session_id, timestamp, product_id, action, quantity, category, country, source_offset, source_partition)
    ORDER BY s.event_id COLLATE "C", s.source_partition, s.source_offset
    ON CONFLICT (event_id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.user_id, s.session_id, s.timestamp, s.product_id, s.action, s.quantity, s.category, s.country) IS DISTINCT FROM ROW(t.user_id, t.session_id, t.timestamp, t.product_id, t.action, t.quantity, t.category, t.country) AS conflicting
FROM unnest($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::TEXT[], $7::TEXT[], $8::INTEGER[], $9::TEXT[], $10::TEXT[], $11::BIGINT[], $1::INTEGER[]) AS s (event_id, user_id, session_id, timestamp, product_id, action, quantity, category, country, source_offset, source_partition) JOIN cart_events t ON t.event_id = s.event_id
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

