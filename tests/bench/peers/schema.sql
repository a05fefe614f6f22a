-- The tables of Structured Streaming and Quix Streams: columns and indexes of the worker's, windows summed up in a table.

CREATE TABLE peer_transactions (
    transaction_id   VARCHAR(100) COLLATE "C" PRIMARY KEY,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    timestamp        TIMESTAMPTZ NOT NULL,
    total_amount     NUMERIC(12, 2) NOT NULL,
    category         VARCHAR(100) COLLATE "C",
    country          VARCHAR(50) COLLATE "C",
    payment_method   VARCHAR(50) COLLATE "C",
    quantity         INTEGER NOT NULL,
    product_id       VARCHAR(100) COLLATE "C",
    session_id       VARCHAR(100) COLLATE "C",
    created_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX peer_transactions_user ON peer_transactions (user_id, timestamp);
CREATE INDEX peer_transactions_time ON peer_transactions USING brin (timestamp)
    WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE peer_sales_metrics (
    window_start      TIMESTAMPTZ NOT NULL,
    window_end        TIMESTAMPTZ NOT NULL,
    category          VARCHAR(100) COLLATE "C" NOT NULL,
    country           VARCHAR(50) COLLATE "C" NOT NULL,
    total_amount      NUMERIC(24, 2) NOT NULL,
    transaction_count BIGINT NOT NULL,
    PRIMARY KEY (window_start, category, country)
);

CREATE TABLE peer_anomalies (
    transaction_id VARCHAR(100) COLLATE "C" NOT NULL,
    anomaly_type   VARCHAR(50) COLLATE "C" NOT NULL,
    user_id        VARCHAR(100) COLLATE "C" NOT NULL,
    amount         NUMERIC(12, 2) NOT NULL,
    event_time     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (transaction_id, anomaly_type)
);

-- Where Spark's JDBC writer puts a micro-batch, before one statement takes it over.
CREATE UNLOGGED TABLE stage_transactions AS SELECT * FROM peer_transactions WITH NO DATA;
ALTER TABLE stage_transactions DROP COLUMN created_at;
CREATE UNLOGGED TABLE stage_sales_metrics AS SELECT * FROM peer_sales_metrics WITH NO DATA;
CREATE UNLOGGED TABLE stage_anomalies AS SELECT * FROM peer_anomalies WITH NO DATA;
