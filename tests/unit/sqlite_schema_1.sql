-- Schema of the embedded store. Times are milliseconds since the epoch, lives (ttl) are
-- seconds. A change here needs a new SCHEMA_VERSION in engine.py and a migration.

CREATE TABLE queue (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: old rows stay old
    project       TEXT    NOT NULL,                   -- '' stands for "no project"
    name          TEXT    NOT NULL,
    salt          TEXT    NOT NULL,                   -- second part of its message ids
    last_position INTEGER NOT NULL,
    total         INTEGER NOT NULL DEFAULT 0,         -- rows in message, expired ones included
    claimed       INTEGER NOT NULL DEFAULT 0,         -- of these, rows that carry a claim
    UNIQUE (project, name)                            -- every look-up, and listing by name
) STRICT;

-- Apart from the queue, whose row is rewritten by every post.
CREATE TABLE metadata (
    queue_id INTEGER PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;

-- One row: a queue created from now on starts above all positions of deleted queues.
CREATE TABLE position_floor (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO position_floor VALUES (1, 0);

-- Deleted queues whose messages still have to be removed.
CREATE TABLE deleted_queue (
    id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE claim (
    id       INTEGER PRIMARY KEY,
    secret   INTEGER NOT NULL,  -- second part of the claim id: numbers may come again, ids not
    queue_id INTEGER NOT NULL,
    ttl      INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    expires  INTEGER NOT NULL
) STRICT;

-- Expired claims, which the sweeper has yet to dissolve: few, so all of them may be looked at.
CREATE INDEX claim_expiry ON claim (expires, queue_id);

CREATE TABLE message (
    queue_id       INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    client_id      TEXT    NOT NULL,
    ttl            INTEGER NOT NULL,            -- as reported
    created        INTEGER NOT NULL,
    expires        INTEGER NOT NULL,            -- never before the end of its claim
    available_from INTEGER NOT NULL,            -- kept for delayed messages; now = created
    claim_count    INTEGER NOT NULL DEFAULT 0,  -- kept for dead letters
    claim_id       INTEGER,                     -- a row in claim, live or expired
    body           BLOB    NOT NULL
) STRICT;

-- A message by its id; listing with include_claimed; oldest and newest.
CREATE UNIQUE INDEX message_position ON message (queue_id, position);

-- Claiming and listing: what is claimed is not in it, however much that is.
CREATE INDEX message_free ON message (queue_id, position) WHERE claim_id IS NULL;

-- The messages of a claim.
CREATE INDEX message_claim ON message (claim_id, position) WHERE claim_id IS NOT NULL;

-- Expired messages, for removal and to correct the counters.
CREATE INDEX message_expiry ON message (expires, queue_id);

-- The counters and the claims follow the messages by themselves.

CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    UPDATE queue SET total = total + 1 WHERE id = new.queue_id;
END;

CREATE TRIGGER message_claimed AFTER UPDATE OF claim_id ON message
WHEN (old.claim_id IS NULL) <> (new.claim_id IS NULL) BEGIN
    UPDATE queue SET claimed = claimed + iif(new.claim_id IS NULL, -1, 1)
    WHERE id = new.queue_id;
END;

CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
    UPDATE queue SET total = total - 1, claimed = claimed - (old.claim_id IS NOT NULL)
    WHERE id = old.queue_id;
END;

-- A claim without messages is unknown (spec 6.7), so nothing needs its row.
CREATE TRIGGER message_removed_from_claim AFTER DELETE ON message
WHEN old.claim_id IS NOT NULL BEGIN
    DELETE FROM claim WHERE id = old.claim_id
    AND NOT EXISTS (SELECT 1 FROM message WHERE claim_id = old.claim_id);
END;
