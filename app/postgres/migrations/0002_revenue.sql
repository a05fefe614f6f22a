-- Rollups without the category: totals over any range are a few thousand rows, however many categories there
-- are. Whole days, whole hours and whole minutes come from here, less than a minute at each end from the rows.
LOCK TABLE transactions IN SHARE MODE;

CREATE TABLE revenue_minutely (
    minute             TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT revenue_minutely_key UNIQUE NULLS NOT DISTINCT (minute, source_partition, country)
) WITH (fillfactor = 70);

CREATE TABLE revenue_hourly (
    hour               TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT revenue_hourly_key UNIQUE NULLS NOT DISTINCT (hour, source_partition, country)
) WITH (fillfactor = 70);

CREATE TABLE revenue_daily (
    day                TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT revenue_daily_key UNIQUE NULLS NOT DISTINCT (day, source_partition, country)
) WITH (fillfactor = 70);

INSERT INTO revenue_minutely (minute, source_partition, country, transaction_count, total_amount)
SELECT date_bin('1 minute', timestamp, to_timestamp(0)), source_partition, country, count(*), sum(total_amount)
FROM transactions GROUP BY 1, 2, 3;

INSERT INTO revenue_hourly (hour, source_partition, country, transaction_count, total_amount)
SELECT date_bin('1 hour', minute, to_timestamp(0)), source_partition, country,
    sum(transaction_count), sum(total_amount)
FROM revenue_minutely GROUP BY 1, 2, 3;

INSERT INTO revenue_daily (day, source_partition, country, transaction_count, total_amount)
SELECT date_bin('1 day', hour, to_timestamp(0)), source_partition, country,
    sum(transaction_count), sum(total_amount)
FROM revenue_hourly GROUP BY 1, 2, 3;

-- The distinct names are read by stepping from one to the next.
CREATE INDEX idx_revenue_daily_country ON revenue_daily (country);
CREATE INDEX idx_sales_daily_category ON sales_daily (category);

GRANT SELECT ON revenue_minutely, revenue_hourly, revenue_daily TO globalmart_worker, globalmart_reader;
GRANT INSERT, UPDATE ON revenue_minutely, revenue_hourly, revenue_daily TO globalmart_worker;
