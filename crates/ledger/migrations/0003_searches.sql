-- Searches that people gave a name.
CREATE TABLE searches (
    search_id BIGINT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (user_id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    shared BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX searches_shared ON searches (shared);
