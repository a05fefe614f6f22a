-- The fraud desk: rules and lists as data, the editions that say which of them judged which offsets, verdicts and cases.

-- Fingerprints that the shop makes, never plain values.
ALTER TABLE transactions
    ADD card   VARCHAR(64) COLLATE "C",
    ADD device VARCHAR(64) COLLATE "C",
    ADD ip     VARCHAR(64) COLLATE "C",
    ADD email  VARCHAR(64) COLLATE "C";

-- Every change of a rule or list makes an edition. Rows are superseded, never changed; only erasing a user rewrites values.
CREATE TABLE fraud_editions (
    edition         BIGINT PRIMARY KEY,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    author          VARCHAR(100) NOT NULL,
    reason          TEXT NOT NULL,
    review_from     INTEGER NOT NULL CHECK (review_from BETWEEN 1 AND 100),
    block_from      INTEGER NOT NULL CHECK (block_from BETWEEN 1 AND 100),
    rewrites_lists  BOOLEAN NOT NULL DEFAULT false,
    CHECK (review_from <= block_from)
);
CREATE TABLE fraud_rules (
    rule_id    VARCHAR(50) COLLATE "C" NOT NULL,
    version    INTEGER NOT NULL,
    edition    BIGINT NOT NULL REFERENCES fraud_editions,
    rank       INTEGER NOT NULL,
    definition JSONB NOT NULL,
    PRIMARY KEY (rule_id, version)
);
COMMENT ON COLUMN fraud_rules.rank IS 'Place of the rule among all, in the order in which they were first made.';
CREATE INDEX idx_fraud_rules_edition ON fraud_rules (edition);
CREATE TABLE fraud_lists (
    list    VARCHAR(50) COLLATE "C" PRIMARY KEY,
    edition BIGINT NOT NULL REFERENCES fraud_editions
);
CREATE TABLE fraud_list_entries (
    list       VARCHAR(50) COLLATE "C" NOT NULL REFERENCES fraud_lists,
    value      VARCHAR(100) COLLATE "C" NOT NULL,
    edition    BIGINT NOT NULL REFERENCES fraud_editions,
    present    BOOLEAN NOT NULL,
    expires_at TIMESTAMPTZ,
    note       TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (list, value, edition)
);
CREATE INDEX idx_fraud_list_entries_edition ON fraud_list_entries (edition);
CREATE INDEX idx_fraud_list_entries_value ON fraud_list_entries (value);

-- From which offset of a partition an edition judged it; offsets before the first row were judged by edition 1.
CREATE TABLE judged_from (
    topic        VARCHAR(249) COLLATE "C" NOT NULL,
    partition    INTEGER NOT NULL,
    first_offset BIGINT NOT NULL,
    edition      BIGINT NOT NULL REFERENCES fraud_editions,
    PRIMARY KEY (topic, partition, first_offset)
);

-- The table is written again once, and none of its rows a second time: the severity of the guide's rules is computed
-- by the same pass, and is a plain column afterwards.
ALTER TABLE transaction_anomalies
    ADD rule_id          VARCHAR(50) COLLATE "C" GENERATED ALWAYS AS (anomaly_type) STORED,
    ADD rule_version     INTEGER NOT NULL DEFAULT 1,
    ADD severity         VARCHAR(10) NOT NULL
        GENERATED ALWAYS AS (CASE anomaly_type WHEN 'high_value' THEN 'high' ELSE 'medium' END) STORED,
    ADD suppressed       BOOLEAN NOT NULL DEFAULT false,
    ADD source_partition INTEGER,
    ADD source_offset    BIGINT;
ALTER TABLE transaction_anomalies ALTER severity DROP EXPRESSION, ALTER severity SET DEFAULT 'medium';
CREATE INDEX idx_anomalies_user ON transaction_anomalies (user_id, anomaly_type, event_time);

-- What rules in shadow would have raised.
CREATE TABLE shadow_anomalies (
    transaction_id   VARCHAR(100) COLLATE "C" NOT NULL,
    rule_id          VARCHAR(50) COLLATE "C" NOT NULL,
    rule_version     INTEGER NOT NULL,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    amount           NUMERIC(12, 2) NOT NULL,
    anomaly_score    NUMERIC(20, 4) NOT NULL,
    measure          NUMERIC(20, 2) NOT NULL,
    threshold        NUMERIC(14, 2) NOT NULL,
    description      TEXT NOT NULL,
    event_time       TIMESTAMPTZ NOT NULL,
    detected_at      TIMESTAMPTZ NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL,
    PRIMARY KEY (transaction_id, rule_id)
);
CREATE INDEX idx_shadow_anomalies_rule ON shadow_anomalies (rule_id, event_time);
CREATE INDEX idx_shadow_anomalies_user ON shadow_anomalies (user_id);

-- The verdict on an order that raised an active rule.
CREATE TABLE verdicts (
    transaction_id   VARCHAR(100) COLLATE "C" PRIMARY KEY,
    user_id          VARCHAR(100) COLLATE "C" NOT NULL,
    amount           NUMERIC(12, 2) NOT NULL,
    event_time       TIMESTAMPTZ NOT NULL,
    detected_at      TIMESTAMPTZ NOT NULL,
    edition          BIGINT NOT NULL REFERENCES fraud_editions,
    risk_score       INTEGER NOT NULL CHECK (risk_score BETWEEN 0 AND 100),
    action           VARCHAR(10) NOT NULL CHECK (action IN ('allow', 'review', 'block')),
    severity         VARCHAR(10) NOT NULL,
    reasons          JSONB NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset    BIGINT NOT NULL
);
CREATE INDEX idx_verdicts_time ON verdicts (event_time);
CREATE INDEX idx_verdicts_user ON verdicts (user_id, event_time);

-- A verdict as somebody's work. `version` rises with every change: who read an older one is told.
CREATE TABLE cases (
    case_id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id VARCHAR(100) COLLATE "C" NOT NULL UNIQUE,
    status         VARCHAR(10) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'confirmed', 'dismissed')),
    severity       VARCHAR(10) NOT NULL,
    amount         NUMERIC(12, 2) NOT NULL,
    event_time     TIMESTAMPTZ NOT NULL,
    opened_at      TIMESTAMPTZ NOT NULL,
    assignee       VARCHAR(100),
    closed_at      TIMESTAMPTZ,
    version        INTEGER NOT NULL DEFAULT 1,
    position       BIGINT UNIQUE
);
CREATE INDEX idx_cases_newest ON cases (status, event_time, case_id);
-- The queue: the worst and dearest first.
CREATE INDEX idx_cases_queue ON cases (
    status, array_position(ARRAY['low', 'medium', 'high', 'critical'], severity::TEXT), amount, case_id);
CREATE INDEX idx_cases_unnumbered ON cases (case_id) WHERE position IS NULL;
CREATE TABLE case_events (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id  BIGINT NOT NULL REFERENCES cases,
    at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    author   VARCHAR(100) NOT NULL,
    action   VARCHAR(20) NOT NULL,
    note     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX idx_case_events_case ON case_events (case_id, event_id);

-- What an order turned out to be; all are kept, the one with the newest event time counts, of equals the one that came last.
CREATE TABLE fraud_labels (
    label_id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id VARCHAR(100) COLLATE "C" NOT NULL,
    label          VARCHAR(10) NOT NULL CHECK (label IN ('fraud', 'legitimate')),
    source         VARCHAR(10) NOT NULL CHECK (source IN ('analyst', 'chargeback', 'import')),
    event_time     TIMESTAMPTZ NOT NULL,
    arrived_at     TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    author         VARCHAR(100) NOT NULL,
    UNIQUE (transaction_id, source, event_time, label)
);
CREATE VIEW order_labels AS
SELECT DISTINCT ON (transaction_id) transaction_id, label, source, event_time, arrived_at, author
FROM fraud_labels ORDER BY transaction_id, event_time DESC, label_id DESC;
COMMENT ON VIEW order_labels IS 'The label that counts of every labelled order.';

-- How far new cases are numbered, after their commit, and told to the webhook.
CREATE TABLE webhook_progress (
    only_row          BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    numbered_position BIGINT NOT NULL DEFAULT 0,
    told_position     BIGINT NOT NULL DEFAULT 0,
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CHECK (told_position <= numbered_position)
);
INSERT INTO webhook_progress DEFAULT VALUES;

-- The desk changes rules, lists, cases and labels, and nothing else.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'globalmart_desk') THEN
        CREATE ROLE globalmart_desk NOLOGIN;
    END IF;
END $$;
GRANT globalmart_reader TO globalmart_desk;
GRANT SELECT ON
    fraud_editions, fraud_rules, fraud_lists, fraud_list_entries, judged_from, shadow_anomalies, verdicts, cases,
    case_events, fraud_labels, order_labels, webhook_progress
    TO globalmart_worker, globalmart_reader;
GRANT INSERT ON judged_from, shadow_anomalies, verdicts, cases TO globalmart_worker;
GRANT UPDATE (position) ON cases TO globalmart_worker;
GRANT UPDATE ON webhook_progress TO globalmart_worker;
GRANT INSERT ON fraud_editions, fraud_rules, fraud_lists, fraud_list_entries, case_events, fraud_labels TO globalmart_desk;
GRANT UPDATE (status, assignee, closed_at, version) ON cases TO globalmart_desk;
