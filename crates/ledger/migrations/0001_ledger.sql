-- The ledger's tables: one text for SQLite and Postgres.
--
-- Ids and names are TEXT, numbers BIGINT, times microseconds since 1970 in UTC, truth 0 or 1, levels the
-- position in model::Level (0 informational … 4 critical), documents JSON as TEXT, SHA-256 digests
-- BYTEA (a type that SQLite takes at its word). What stands in /*sqlite …*/ is read by SQLite alone.

-- The last number given out for each kind of row.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

-- ── What triage concludes and people decide ──────────────────────────────────────────────────────

CREATE TABLE alerts (
    alert_id TEXT NOT NULL PRIMARY KEY,
    -- Triage's, written anew with every upsert.
    told TEXT NOT NULL,                 -- model::Alert
    rule_id TEXT NOT NULL,
    rule_title TEXT NOT NULL,
    source TEXT NOT NULL,
    level BIGINT NOT NULL,
    risk BIGINT NOT NULL,
    count BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    search TEXT NOT NULL,               -- lower case
    grouped_in TEXT,                    -- the incident that triage puts it in
    -- People's.
    state TEXT NOT NULL,                -- new, in_progress, closed
    resolution TEXT,                    -- when closed
    owner TEXT,
    severity BIGINT,                    -- a person's level
    severity_over BIGINT,               -- triage's level when the person set theirs
    pinned BIGINT NOT NULL,             -- a person put it where it is, or took it out
    pinned_in TEXT,
    closed_at BIGINT,
    closed_by TEXT,
    closed_level BIGINT,                -- as it stood when it was closed
    closed_count BIGINT,
    -- What follows from both.
    shown_level BIGINT NOT NULL,
    home TEXT,                          -- pinned_in or grouped_in
    incident_id TEXT,                   -- the top of home's merges
    version BIGINT NOT NULL,            -- decisions of people
    revision BIGINT NOT NULL,           -- changes of any kind
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (last_time, alert_id);
CREATE INDEX alerts_by_first ON alerts (first_time, alert_id);
CREATE INDEX alerts_by_level ON alerts (shown_level, last_time, alert_id);
CREATE INDEX alerts_by_risk ON alerts (risk, last_time, alert_id);
CREATE INDEX alerts_by_state ON alerts (state, last_time, alert_id);
CREATE INDEX alerts_by_rule ON alerts (rule_id);
CREATE INDEX alerts_by_owner ON alerts (owner);
CREATE INDEX alerts_by_group ON alerts (grouped_in);
CREATE INDEX alerts_by_home ON alerts (home);
CREATE INDEX alerts_by_incident ON alerts (incident_id);

CREATE TABLE alert_entities (
    alert_id TEXT NOT NULL REFERENCES alerts (alert_id) ON DELETE CASCADE,
    entity TEXT NOT NULL,               -- kind:value, bounded
    PRIMARY KEY (alert_id, entity)
);
CREATE INDEX alert_entities_by_entity ON alert_entities (entity);

CREATE TABLE incidents (
    incident_id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,      -- what people say on the telephone
    by_hand BIGINT NOT NULL,            -- a person opened it
    -- Triage's.
    told TEXT NOT NULL,                 -- model::Incident
    told_level BIGINT NOT NULL,
    told_risk BIGINT NOT NULL,
    -- People's.
    status TEXT NOT NULL,               -- new, in_progress, contained, resolved, closed
    owner TEXT,
    title TEXT,
    severity BIGINT,
    severity_over BIGINT,
    merged_into TEXT REFERENCES incidents (incident_id),
    touched BIGINT NOT NULL,            -- a person ever wrote to it
    closed_at BIGINT,
    closed_by TEXT,
    closed_level BIGINT,
    closed_alerts BIGINT,
    -- What follows from both, over its own tree of merges; kept for the top of a tree.
    told_by TEXT NOT NULL,              -- whose title and summary stand for the tree
    level BIGINT NOT NULL,              -- without a person's say
    shown_level BIGINT NOT NULL,
    risk BIGINT NOT NULL,
    alert_count BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    search TEXT NOT NULL,
    version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX incidents_by_time ON incidents (last_time, incident_id);
CREATE INDEX incidents_by_level ON incidents (shown_level, last_time, incident_id);
CREATE INDEX incidents_by_merge ON incidents (merged_into);

CREATE TABLE merges (
    merge_id BIGINT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL REFERENCES incidents (incident_id),
    target TEXT NOT NULL REFERENCES incidents (incident_id),
    by_machine BIGINT NOT NULL,
    merged_by TEXT NOT NULL,
    merged_at BIGINT NOT NULL,
    undone_by TEXT,
    undone_at BIGINT
);
CREATE INDEX merges_by_source ON merges (source);
CREATE INDEX merges_by_target ON merges (target);

CREATE TABLE tasks (
    task_id BIGINT NOT NULL PRIMARY KEY,
    incident_id TEXT NOT NULL REFERENCES incidents (incident_id),
    title TEXT NOT NULL,
    assignee TEXT,
    due_at BIGINT,
    done_at BIGINT,
    done_by TEXT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX tasks_by_incident ON tasks (incident_id, task_id);

CREATE TABLE comments (
    comment_id BIGINT NOT NULL PRIMARY KEY,
    object_kind TEXT NOT NULL,          -- alert, incident
    object_id TEXT NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL,                 -- Markdown, as typed
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX comments_by_object ON comments (object_kind, object_id, comment_id);

-- What a comment said before it was edited.
CREATE TABLE comment_edits (
    comment_id BIGINT NOT NULL REFERENCES comments (comment_id),
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    replaced_by TEXT NOT NULL,
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (comment_id, version)
);

CREATE TABLE suppressions (
    suppression_id BIGINT NOT NULL PRIMARY KEY,
    rule_id TEXT,
    entity TEXT,                        -- bounded, as in alert_entities
    entity_told TEXT,                   -- model::Entity
    source TEXT,
    up_to BIGINT NOT NULL,              -- the highest level that it hides
    until_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    lifted_at BIGINT,
    lifted_by TEXT
);
CREATE INDEX suppressions_by_end ON suppressions (until_at);

CREATE TABLE findings (
    finding_id TEXT NOT NULL PRIMARY KEY,
    alert_id TEXT,
    told TEXT NOT NULL,                 -- model::Finding
    level BIGINT NOT NULL,
    time BIGINT NOT NULL,
    superseded_by TEXT,
    stored_at BIGINT NOT NULL
);
CREATE INDEX findings_by_alert ON findings (alert_id, time, finding_id);
CREATE INDEX findings_by_time ON findings (time);

-- ── Who may come in ──────────────────────────────────────────────────────────────────────────────

CREATE TABLE users (
    user_id BIGINT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    email TEXT,
    role TEXT NOT NULL,
    password TEXT,                      -- PHC string
    password_at BIGINT,
    disabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE sessions (
    digest BYTEA NOT NULL PRIMARY KEY,
    session_id BIGINT NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (user_id),
    factors TEXT NOT NULL,              -- how the person proved who they are
    address TEXT,
    agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    idle_at BIGINT NOT NULL,            -- ends when nobody comes by then
    expires_at BIGINT NOT NULL          -- ends then in any case
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (idle_at);

CREATE TABLE api_tokens (
    digest BYTEA NOT NULL PRIMARY KEY,
    token_id BIGINT NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (user_id),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,               -- list of names
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    used_from TEXT,
    revoked_at BIGINT,
    revoked_by TEXT
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

CREATE TABLE totp (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (user_id),
    sealed TEXT NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT
);

CREATE TABLE passkeys (
    credential_id TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (user_id),
    name TEXT NOT NULL,
    credential TEXT NOT NULL,           -- JSON: public key and counter
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

CREATE TABLE links (
    digest BYTEA NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,              -- first_admin, invitation, password_reset
    user_id BIGINT REFERENCES users (user_id),
    role TEXT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX links_by_end ON links (expires_at);

CREATE TABLE login_attempts (
    who TEXT NOT NULL PRIMARY KEY,      -- login:NAME or address:ADDRESS
    failures BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX login_attempts_by_time ON login_attempts (last_at);

-- ── What logs come from ──────────────────────────────────────────────────────────────────────────

CREATE TABLE senders (
    sender_id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    client_name TEXT UNIQUE,            -- of its TLS certificate
    definition TEXT,                    -- source definition, when it is known beforehand
    tags TEXT NOT NULL,                 -- list
    rate_limit BIGINT,                  -- events a second
    silent_after BIGINT,                -- microseconds of silence that are an alarm
    enabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE sender_tokens (
    digest BYTEA NOT NULL PRIMARY KEY,
    sender_id BIGINT NOT NULL REFERENCES senders (sender_id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX sender_tokens_by_sender ON sender_tokens (sender_id);

CREATE TABLE source_health (
    sender TEXT NOT NULL,
    definition TEXT NOT NULL,
    events BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    flaws BIGINT NOT NULL,
    unrecognised BIGINT NOT NULL,
    lag BIGINT NOT NULL,                -- microseconds, the latest
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    last_event BIGINT,
    PRIMARY KEY (sender, definition)
);

-- ── What the machinery remembers ─────────────────────────────────────────────────────────────────

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,                -- JSON
    version BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE deliveries (
    digest BYTEA NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
) /*sqlite WITHOUT ROWID */;
CREATE INDEX deliveries_by_time ON deliveries (seen_at);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    request BYTEA NOT NULL,
    status BIGINT,                      -- none until the answer is known
    body TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (actor, name)
);
CREATE INDEX idempotency_by_end ON idempotency (expires_at);

CREATE TABLE positions (
    name TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- ── What was done, by whom ───────────────────────────────────────────────────────────────────────

CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before TEXT,
    after TEXT,
    prev TEXT NOT NULL,                 -- the hash of the entry before
    hash TEXT NOT NULL                  -- over all of the above
);
CREATE INDEX audit_by_object ON audit (object_kind, object_id, sequence);
CREATE INDEX audit_by_actor ON audit (actor, sequence);

-- Where the chain ends: without it, entries could be cut off its end unseen.
CREATE TABLE audit_head (
    chain BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL
);
