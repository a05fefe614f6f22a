-- Operating the data: what was done to it by hand, so that the recount and the next operator know.

-- A dead letter sent again. The claim is made before the send, with the very bytes; place and outcome follow.
CREATE TABLE dead_letter_replays (
    dead_letter_id BIGINT PRIMARY KEY REFERENCES dead_letters,
    key            BYTEA,
    value          BYTEA,
    corrected      BOOLEAN NOT NULL,
    requested_by   TEXT NOT NULL,
    requested_at   TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    topic_ends     BIGINT[] NOT NULL,
    sent_partition INTEGER,
    sent_offset    BIGINT,
    sent_at        TIMESTAMPTZ,
    outcome        VARCHAR(20) COLLATE "C" CHECK (outcome IN ('stored', 'duplicate', 'dead_lettered', 'gone')),
    detail         TEXT,
    settled_at     TIMESTAMPTZ,
    CHECK ((sent_partition IS NULL) = (sent_offset IS NULL)),
    CHECK (outcome IS NULL OR sent_offset IS NOT NULL)
);
COMMENT ON COLUMN dead_letter_replays.topic_ends IS
    'Ends of the partitions of the topic at the claim: a replay that was killed looks for its record from there.';
CREATE INDEX idx_dead_letter_replays_open ON dead_letter_replays (dead_letter_id) WHERE outcome IS NULL;

GRANT SELECT ON dead_letter_replays TO globalmart_worker, globalmart_reader;
GRANT INSERT, UPDATE ON dead_letter_replays TO globalmart_worker;

-- Rows deleted by retention. Sums keep counting them; the recount and every repair leave the time before alone.
CREATE TABLE retention_progress (
    topic            VARCHAR(249) COLLATE "C" NOT NULL,
    source_partition INTEGER NOT NULL,
    deleted_before   TIMESTAMPTZ NOT NULL,
    deleted          BIGINT NOT NULL DEFAULT 0,
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (topic, source_partition)
);
COMMENT ON COLUMN retention_progress.deleted_before IS 'Rows older than this may be gone; whole UTC days.';
COMMENT ON COLUMN retention_progress.deleted IS 'Rows deleted so far; with them the ledger''s count of stored rows is whole.';

GRANT SELECT ON retention_progress TO globalmart_worker, globalmart_reader;
