-- Heartbeats: what only a worker knows, Kafka's ends and its latencies, where the API can read it.
CREATE TABLE worker_heartbeats (
    worker_id  VARCHAR(100) PRIMARY KEY,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at    TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    lag        JSONB NOT NULL,
    latency    JSONB NOT NULL,
    rss_bytes  BIGINT
) WITH (fillfactor = 50);
COMMENT ON TABLE worker_heartbeats IS 'One row per running worker, written every 5 s; an old one is a worker that is gone.';
COMMENT ON COLUMN worker_heartbeats.lag IS 'Records in Kafka beyond the ledger in the partitions it owns, by topic.';
COMMENT ON COLUMN worker_heartbeats.latency IS 'Records of the last minute by upper bound of their end-to-end seconds: [bound or null, count].';
COMMENT ON COLUMN worker_heartbeats.rss_bytes IS 'Memory in use, null where the system does not tell.';

GRANT SELECT ON worker_heartbeats TO globalmart_worker, globalmart_reader;
GRANT INSERT, UPDATE, DELETE ON worker_heartbeats TO globalmart_worker;
