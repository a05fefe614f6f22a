CREATE TEMPORARY TABLE stage_system_metrics (host TEXT, component TEXT, metric TEXT, timestamp TIMESTAMPTZ, value DOUBLE PRECISION, source_offset BIGINT) ON COMMIT DELETE ROWS;

WITH accepted AS (
    INSERT INTO system_metrics (host, component, metric, timestamp, value, source_offset, source_partition)
    SELECT s.host, s.component, s.metric, s.timestamp, s.value, s.source_offset, s.source_partition FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_system_metrics) AS s
    ORDER BY s.host COLLATE "C", s.component COLLATE "C", s.metric COLLATE "C", s.timestamp, s.source_partition, s.source_offset
    ON CONFLICT (host, component, metric, timestamp) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.value) IS DISTINCT FROM ROW(t.value) AS conflicting
FROM (SELECT *, $1::INTEGER AS source_partition FROM stage_system_metrics) AS s JOIN system_metrics t ON t.host = s.host AND t.component = s.component AND t.metric = s.metric AND t.timestamp = s.timestamp
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

WITH accepted AS (
    INSERT INTO system_metrics (host, component, metric, timestamp, value, source_offset, source_partition)
    SELECT s.host, s.component, s.metric, s.timestamp, s.value, s.source_offset, s.source_partition FROM unnest($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::DOUBLE PRECISION[], $7::BIGINT[], $1::INTEGER[]) AS s (host, component, metric, timestamp, value, source_offset, source_partition)
    ORDER BY s.host COLLATE "C", s.component COLLATE "C", s.metric COLLATE "C", s.timestamp, s.source_partition, s.source_offset
    ON CONFLICT (host, component, metric, timestamp) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM accepted;

SELECT s.source_partition, s.source_offset, ROW(s.value) IS DISTINCT FROM ROW(t.value) AS conflicting
FROM unnest($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TIMESTAMPTZ[], $6::DOUBLE PRECISION[], $7::BIGINT[], $1::INTEGER[]) AS s (host, component, metric, timestamp, value, source_offset, source_partition) JOIN system_metrics t ON t.host = s.host AND t.component = s.component AND t.metric = s.metric AND t.timestamp = s.timestamp
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset;

