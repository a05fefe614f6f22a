-- The operational store: rows, panes, rollups, anomalies, dead letters and the ledger that makes them exact.
-- Key columns collate "C": byte order is all they need, and it is measurably cheaper than a locale's.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'globalmart_worker') THEN
        CREATE ROLE globalmart_worker NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'globalmart_reader') THEN
        CREATE ROLE globalmart_reader NOLOGIN;
    END IF;
END
$$;

-- A worker stopped inside a transaction must lose it before its partitions move (session timeout 6 s).
ALTER ROLE globalmart_worker SET idle_in_transaction_session_timeout = '5s';

-- Which Kafka the ledger speaks of: another cluster's offsets mean other records.
CREATE TABLE stream_source (
    only_row   BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- The window geometry the panes were built with; a worker with other settings refuses to start.
CREATE TABLE stream_windows (
    only_row       BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    window_seconds INTEGER NOT NULL,
    step_seconds   INTEGER NOT NULL
);
INSERT INTO stream_windows (window_seconds, step_seconds) VALUES (60, 30);

-- The ledger: how far each source partition is committed, and what became of every record up to there.
CREATE TABLE stream_progress (
    topic         VARCHAR(249) COLLATE "C" NOT NULL,
    partition     INTEGER NOT NULL,
    next_offset   BIGINT NOT NULL,
    watermark     TIMESTAMPTZ,
    horizon       TIMESTAMPTZ,
    consumed      BIGINT NOT NULL DEFAULT 0,
    stored        BIGINT NOT NULL DEFAULT 0,
    duplicates    BIGINT NOT NULL DEFAULT 0,
    conflicting   BIGINT NOT NULL DEFAULT 0,
    dead_lettered BIGINT NOT NULL DEFAULT 0,
    late          BIGINT NOT NULL DEFAULT 0,
    rounded       BIGINT NOT NULL DEFAULT 0,
    assumed_utc   BIGINT NOT NULL DEFAULT 0,
    lost          BIGINT NOT NULL DEFAULT 0,
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (topic, partition),
    CONSTRAINT nothing_disappears CHECK (consumed = stored + duplicates + dead_lettered),
    CONSTRAINT conflicting_are_duplicates CHECK (conflicting <= duplicates),
    CONSTRAINT late_are_stored CHECK (late <= stored)
) WITH (fillfactor = 50);
COMMENT ON TABLE stream_progress IS 'Ledger per source partition; next_offset moves with the rows in one transaction.';
COMMENT ON COLUMN stream_progress.watermark IS 'Greatest timestamp of the records accepted so far.';
COMMENT ON COLUMN stream_progress.horizon IS 'Floor of the velocity state a worker keeps in memory; only rises.';
COMMENT ON COLUMN stream_progress.conflicting IS 'Duplicates whose content differs from the stored row.';
COMMENT ON COLUMN stream_progress.rounded IS 'Stored transactions whose amount had more than two decimals.';
COMMENT ON COLUMN stream_progress.assumed_utc IS 'Stored events whose timestamp had no offset and was read as UTC.';
COMMENT ON COLUMN stream_progress.lost IS 'Offsets Kafka had deleted before they were consumed, accepted by the operator.';

CREATE TABLE transactions (
    transaction_id   VARCHAR(100) COLLATE "C" PRIMARY KEY,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    total_amount     NUMERIC(12, 2) NOT NULL CHECK (total_amount >= 0),
    category         VARCHAR(100) COLLATE "C",
    country          VARCHAR(50) COLLATE "C",
    payment_method   VARCHAR(50) COLLATE "C",
    quantity         INTEGER NOT NULL,
    product_id       VARCHAR(100) COLLATE "C",
    session_id       VARCHAR(100) COLLATE "C",
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_transactions_user ON transactions (user_id, timestamp);
CREATE INDEX idx_transactions_time ON transactions USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE product_views (
    event_id         VARCHAR(100) COLLATE "C" PRIMARY KEY,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    session_id       VARCHAR(100) COLLATE "C" NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    product_id       VARCHAR(100) COLLATE "C" NOT NULL,
    category         VARCHAR(100) COLLATE "C",
    country          VARCHAR(50) COLLATE "C",
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_product_views_time ON product_views USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE cart_events (
    event_id         VARCHAR(100) COLLATE "C" PRIMARY KEY,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    session_id       VARCHAR(100) COLLATE "C" NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    product_id       VARCHAR(100) COLLATE "C" NOT NULL,
    action           VARCHAR(10) COLLATE "C" NOT NULL CHECK (action IN ('add', 'remove', 'checkout')),
    quantity         INTEGER NOT NULL,
    category         VARCHAR(100) COLLATE "C",
    country          VARCHAR(50) COLLATE "C",
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_cart_events_time ON cart_events USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);

-- A measurement has no id of its own: what was measured where at one time is its identity.
CREATE TABLE system_metrics (
    host             VARCHAR(100) COLLATE "C" NOT NULL,
    component        VARCHAR(100) COLLATE "C" NOT NULL,
    metric           VARCHAR(100) COLLATE "C" NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    value            DOUBLE PRECISION NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (host, component, metric, timestamp)
);
CREATE INDEX idx_system_metrics_time ON system_metrics USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);

-- Panes: the step-long slices windows are made of, one writer per source partition, so no row is shared
-- between workers. A pane belongs to several windows: the start of each earlier one is an indexed expression
-- (through plain UTC timestamps, which alone is immutable), so that a filter on window_start in the view
-- below reaches an index.
CREATE TABLE sales_panes (
    pane_start         TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    category           VARCHAR(100) COLLATE "C",
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT sales_panes_key UNIQUE NULLS NOT DISTINCT (pane_start, source_partition, category, country)
) WITH (fillfactor = 80);
CREATE INDEX idx_sales_panes_window_1 ON sales_panes
    ((((pane_start AT TIME ZONE 'UTC') - interval '30 seconds') AT TIME ZONE 'UTC'));

-- Rollups: totals over a range come from these or from the rows, never from overlapping windows.
CREATE TABLE sales_hourly (
    hour               TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    category           VARCHAR(100) COLLATE "C",
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT sales_hourly_key UNIQUE NULLS NOT DISTINCT (hour, source_partition, category, country)
) WITH (fillfactor = 70);

CREATE TABLE sales_daily (
    day                TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    category           VARCHAR(100) COLLATE "C",
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT sales_daily_key UNIQUE NULLS NOT DISTINCT (day, source_partition, category, country)
) WITH (fillfactor = 70);

CREATE VIEW sales_metrics AS
SELECT
    hash_record_extended(row(window_start, category, country), 0) AS id,
    window_start,
    window_start + interval '60 seconds'                          AS window_end,
    category,
    country,
    sum(total_amount)::NUMERIC(24, 2)                             AS total_amount,
    sum(transaction_count)::BIGINT                                AS transaction_count,
    (sum(total_amount) / sum(transaction_count))::NUMERIC(14, 2)  AS avg_transaction_value,
    min(created_at)                                               AS created_at
FROM (
    SELECT pane_start AS window_start, category, country, total_amount, transaction_count, created_at
    FROM sales_panes
    UNION ALL
    SELECT
        ((pane_start AT TIME ZONE 'UTC') - interval '30 seconds') AT TIME ZONE 'UTC' AS window_start,
        category, country, total_amount, transaction_count, created_at
    FROM sales_panes
) AS pane_of_window
GROUP BY window_start, category, country;
COMMENT ON VIEW sales_metrics IS 'One row per (window, category, country). Windows overlap: never add them up.';

-- `position` is given after commit by the one publisher: identities commit out of order, positions do not.
CREATE TABLE transaction_anomalies (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id VARCHAR(100) COLLATE "C" NOT NULL,
    user_id        VARCHAR(100) COLLATE "C" NOT NULL,
    amount         NUMERIC(12, 2) NOT NULL,
    anomaly_score  NUMERIC(20, 4) NOT NULL,
    anomaly_type   VARCHAR(50) COLLATE "C" NOT NULL,
    detected_at    TIMESTAMPTZ NOT NULL,
    description    TEXT NOT NULL,
    event_time     TIMESTAMPTZ NOT NULL,
    threshold      NUMERIC(14, 2) NOT NULL,
    position       BIGINT UNIQUE,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (transaction_id, anomaly_type)
);
CREATE INDEX idx_anomalies_type ON transaction_anomalies (anomaly_type, event_time);
CREATE INDEX idx_anomalies_time ON transaction_anomalies (event_time);
CREATE INDEX idx_anomalies_unnumbered ON transaction_anomalies (id) WHERE position IS NULL;

CREATE TABLE dead_letters (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_topic     VARCHAR(249) COLLATE "C" NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    key              BYTEA,
    value            BYTEA,
    reason           VARCHAR(50) COLLATE "C" NOT NULL,
    detail           TEXT NOT NULL,
    stage            VARCHAR(20) COLLATE "C" NOT NULL,
    kafka_time       TIMESTAMPTZ NOT NULL,
    position         BIGINT UNIQUE,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (source_topic, source_partition, source_offset)
);
CREATE INDEX idx_dead_letters_reason ON dead_letters (reason, created_at);
CREATE INDEX idx_dead_letters_unnumbered ON dead_letters (id) WHERE position IS NULL;

-- The outbox: how far each of the two tables above is numbered and copied to its Kafka topic.
CREATE TABLE outbox_progress (
    stream             VARCHAR(50) PRIMARY KEY,
    numbered_position  BIGINT NOT NULL DEFAULT 0,
    published_position BIGINT NOT NULL DEFAULT 0,
    updated_at         TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CHECK (published_position <= numbered_position)
);
INSERT INTO outbox_progress (stream) VALUES ('anomalies'), ('dead_letters');

GRANT USAGE ON SCHEMA public TO globalmart_worker, globalmart_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO globalmart_worker, globalmart_reader;
GRANT INSERT ON
    transactions, product_views, cart_events, system_metrics, transaction_anomalies, dead_letters
    TO globalmart_worker;
GRANT INSERT, UPDATE ON
    stream_progress, sales_panes, sales_hourly, sales_daily
    TO globalmart_worker;
GRANT INSERT ON stream_source TO globalmart_worker;
GRANT UPDATE ON outbox_progress TO globalmart_worker;
GRANT UPDATE (position) ON transaction_anomalies, dead_letters TO globalmart_worker;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
