-- Whole weeks (from Monday 00:00 UTC) by category: a year is some fifty sums per partition, category and country where
-- days are 365. The country leads the key, so that one country of any range is one piece of the index.
LOCK TABLE transactions IN SHARE MODE;

CREATE TABLE sales_weekly (
    week               TIMESTAMPTZ NOT NULL,
    source_partition   INTEGER NOT NULL,
    category           VARCHAR(100) COLLATE "C",
    country            VARCHAR(50) COLLATE "C",
    transaction_count  BIGINT NOT NULL,
    total_amount       NUMERIC(24, 2) NOT NULL,
    CONSTRAINT sales_weekly_key UNIQUE NULLS NOT DISTINCT (country, week, source_partition, category)
) WITH (fillfactor = 70);

INSERT INTO sales_weekly (week, source_partition, category, country, transaction_count, total_amount)
SELECT date_trunc('week', day, 'UTC'), source_partition, category, country, sum(transaction_count), sum(total_amount)
FROM sales_daily GROUP BY 1, 2, 3, 4;

GRANT SELECT ON sales_weekly TO globalmart_worker, globalmart_reader;
GRANT INSERT, UPDATE ON sales_weekly TO globalmart_worker;
