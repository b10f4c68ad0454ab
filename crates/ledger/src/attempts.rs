//! Failed logins, counted for each login and each address, so that guessing can be slowed down. How
//! much is for the application to say.

use std::net::{IpAddr, Ipv6Addr};

use model::Micros;
use serde::Serialize;

use crate::alerts::MAX_BATCH;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::sql::sql;
use crate::text::key;

/// Failed logins within a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// The last one.
    pub last_at: Option<Micros>,
}

/// Failed logins.
#[derive(Debug, Clone, Copy)]
pub struct Attempts<'a>(pub(crate) &'a Ledger);

impl Attempts<'_> {
    /// Counts a failure for the login and for the address. One that comes more than `window`
    /// microseconds after the last begins a new count. Gives both counts.
    pub async fn failed(
        self,
        login: &str,
        address: IpAddr,
        now: Micros,
        window: i64,
    ) -> Result<(Failures, Failures)> {
        let mut tx = self.0.begin().await?;
        let mut counts = [Failures::default(); 2];
        for (who, count) in [by_login(login), by_address(address)].iter().zip(&mut counts) {
            let query = sql("INSERT INTO login_attempts (who, failures, first_at, last_at) \
                 VALUES ($1, 1, $2, $2) ON CONFLICT (who) DO UPDATE SET \
                 failures = CASE WHEN login_attempts.last_at < $3 THEN 1 \
                     ELSE login_attempts.failures + 1 END, \
                 first_at = CASE WHEN login_attempts.last_at < $3 THEN $2 \
                     ELSE login_attempts.first_at END, \
                 last_at = $2 RETURNING failures");
            let since = Micros(now.0.saturating_sub(window));
            let row = query.bind(who).bind(now).bind(since).one(&mut tx).await?;
            *count = Failures { count: row.get("failures")?, last_at: Some(now) };
        }
        tx.commit().await?;
        let [of_login, of_address] = counts;
        Ok((of_login, of_address))
    }

    /// The failures of a login and of an address, when the last is no older than `window`.
    pub async fn failures(
        self,
        login: &str,
        address: IpAddr,
        now: Micros,
        window: i64,
    ) -> Result<(Failures, Failures)> {
        let mut on = self.0.reader().await?;
        let mut counts = [Failures::default(); 2];
        for (who, count) in [by_login(login), by_address(address)].iter().zip(&mut counts) {
            let query = sql("SELECT failures, last_at FROM login_attempts \
                 WHERE who = $1 AND last_at >= $2");
            let since = Micros(now.0.saturating_sub(window));
            if let Some(row) = query.bind(who).bind(since).maybe(&mut on).await? {
                *count = Failures { count: row.get("failures")?, last_at: row.opt("last_at")? };
            }
        }
        let [of_login, of_address] = counts;
        Ok((of_login, of_address))
    }

    /// Forgets the failures of a login: whoever has it came in. Those of the address stay, or guessing
    /// would go on after each login of one's own.
    pub async fn forget(self, login: &str) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let query = sql("DELETE FROM login_attempts WHERE who = $1").bind(by_login(login));
        query.run(&mut tx).await?;
        tx.commit().await
    }

    /// Forgets counts whose last failure was before a time, some thousands at most; says how many.
    pub async fn prune(self, before: Micros) -> Result<u64> {
        let mut tx = self.0.begin().await?;
        let mut query =
            sql("DELETE FROM login_attempts WHERE who IN (SELECT who FROM login_attempts \
             WHERE last_at < ");
        query.arg(before).push(" ORDER BY last_at LIMIT ").arg(MAX_BATCH as u64).push(")");
        let gone = query.run(&mut tx).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

fn by_login(login: &str) -> String {
    key(&format!("login:{}", login.trim().to_lowercase()))
}

/// Of IPv6 the network: one customer has at least a /64 to guess from.
fn by_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("address:{v4}"),
        IpAddr::V6(v6) => format!("address:{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}
