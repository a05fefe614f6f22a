-- The right to be forgotten: who was erased is recognised by a keyed hash, and goes on under a pseudonym.

-- Random, once per installation: without it a hash below says nothing of an id.
CREATE TABLE erasure_key (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    key      BYTEA NOT NULL
);
INSERT INTO erasure_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE erased_users (
    user_hash   BYTEA PRIMARY KEY,
    pseudonym   VARCHAR(100) COLLATE "C" NOT NULL UNIQUE,
    session_key BYTEA NOT NULL,
    topics      TEXT[] NOT NULL DEFAULT '{}',
    erased_at   TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    renamed_at  TIMESTAMPTZ,
    finished_at TIMESTAMPTZ
);
COMMENT ON COLUMN erased_users.user_hash IS 'HMAC-SHA-256 of the id under erasure_key.';
COMMENT ON COLUMN erased_users.session_key IS 'Random; a session''s pseudonym is the SHA-256 of it and the session''s id.';
COMMENT ON COLUMN erased_users.topics IS 'Source topics whose new events are stored under the pseudonym.';
COMMENT ON COLUMN erased_users.renamed_at IS 'When no table of this database held the id any more.';
COMMENT ON COLUMN erased_users.finished_at IS 'When lake and warehouse were done as well; null calls for another run.';

ALTER TABLE stream_progress ADD COLUMN erasures INTEGER NOT NULL DEFAULT 0;
COMMENT ON COLUMN stream_progress.erasures IS 'Raised by each erasure: a worker whose state is older is fenced and loads it anew.';

ALTER TABLE dead_letters ADD COLUMN erased BOOLEAN NOT NULL DEFAULT false;
COMMENT ON COLUMN dead_letters.erased IS 'Key and value are gone with their user.';

GRANT SELECT ON erasure_key, erased_users TO globalmart_worker, globalmart_reader;
