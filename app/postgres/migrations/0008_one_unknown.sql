-- An order without a country and one whose country is `unknown` are one thing in every sum, as they are in the
-- warehouse; so with categories. Rows of transactions stay as they came.
LOCK TABLE transactions IN SHARE MODE;

-- The name to count under: null, blank and the word `unknown` (in any case, blanks around it) are `unknown`. Blanks are
-- those of Python's str.strip.
CREATE FUNCTION name_or_unknown(name TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN lower(btrim(
            name,
            E' \t\n\u000B\f\r\u001C\u001D\u001E\u001F\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005'
            '\u2006\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000'
        ) COLLATE "C") NOT IN ('', 'unknown') THEN name
        ELSE 'unknown'
    END
$$;
COMMENT ON FUNCTION name_or_unknown IS 'The category or country an event counts under; `unknown` if it names none.';

-- Sums of all spellings under the one name. The names they go to are never among those they come from.
DO $$
DECLARE
    sums RECORD;
    names TEXT;
    labels TEXT;
    unlabelled TEXT;
    more TEXT;
BEGIN
    FOR sums IN SELECT * FROM (VALUES
        ('sales_panes', 'pane_start', true), ('sales_hourly', 'hour', true), ('sales_daily', 'day', true),
        ('sales_weekly', 'week', true), ('revenue_minutely', 'minute', false), ('revenue_hourly', 'hour', false),
        ('revenue_daily', 'day', false)
    ) AS of_rollup (name, start, by_category)
    LOOP
        names := CASE WHEN sums.by_category THEN 'category, country' ELSE 'country' END;
        labels := CASE WHEN sums.by_category THEN 'name_or_unknown(category), ' ELSE '' END || 'name_or_unknown(country)';
        unlabelled := CASE WHEN sums.by_category THEN 'category IS DISTINCT FROM name_or_unknown(category) OR ' ELSE '' END
            || 'country IS DISTINCT FROM name_or_unknown(country)';
        more := CASE sums.name WHEN 'sales_panes' THEN ', created_at' ELSE '' END;
        EXECUTE format($sql$
            WITH moved AS (DELETE FROM %1$I WHERE %2$s RETURNING *)
            INSERT INTO %1$I AS t (%3$I, source_partition, %4$s, transaction_count, total_amount%5$s)
            SELECT %3$I, source_partition, %6$s, sum(transaction_count), sum(total_amount)%7$s
            FROM moved GROUP BY %3$I, source_partition, %6$s
            ON CONFLICT ON CONSTRAINT %8$I DO UPDATE SET
                transaction_count = t.transaction_count + excluded.transaction_count,
                total_amount = t.total_amount + excluded.total_amount
            $sql$,
            sums.name, unlabelled, sums.start, names, more, labels,
            CASE more WHEN '' THEN '' ELSE ', min(created_at)' END, sums.name || '_key');
        EXECUTE format('ALTER TABLE %I ALTER country SET NOT NULL', sums.name);
        IF sums.by_category THEN
            EXECUTE format('ALTER TABLE %I ALTER category SET NOT NULL', sums.name);
        END IF;
    END LOOP;
END $$;
