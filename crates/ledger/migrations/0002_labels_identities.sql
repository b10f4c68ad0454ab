-- By which labels of its findings an alert is found: what the configuration says of their senders.
CREATE TABLE alert_labels (
    alert_id TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (alert_id, label)
);
CREATE INDEX alert_labels_by_label ON alert_labels (label);

-- As whom somebody comes in whom an identity provider vouches for.
CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,              -- the provider's own name for them, which never changes
    user_id BIGINT NOT NULL REFERENCES users (user_id),
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id);
