-- By which addresses a sender is known that shows no token: ranges of addresses, each of one sender alone.
ALTER TABLE senders ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';
