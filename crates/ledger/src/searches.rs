//! Searches that people gave a name: each is its owner's, who may show it to everybody.

use model::Micros;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::differing;
use crate::error::{LedgerError, Result};
use crate::ids::{SearchId, UserId};
use crate::ledger::Ledger;
use crate::news::Kind;
use crate::page::{Page, Paging};
use crate::sql::{Row, sql};
use crate::text::line;
use crate::tx::Tx;

/// Nobody keeps more.
pub const MAX_SEARCHES: u64 = 200;
/// The longest address of a search, in bytes.
pub const MAX_ADDRESS: usize = 32 * 1024;
/// Where searches are made: addresses begin so.
const PLACE: &str = "/hunt";

/// A search to be kept.
#[derive(Debug, Clone)]
pub struct NewSearch {
    /// What it is called; one of this name of the same owner is replaced.
    pub name: String,
    /// Where it is found in the pages: `/hunt`, and what narrows it.
    pub address: String,
    /// Whether everybody sees it.
    pub shared: bool,
}

/// What may change on a search; none leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct SearchChange {
    /// What it is called.
    pub name: Option<String>,
    /// Where it is found.
    pub address: Option<String>,
    /// Whether everybody sees it.
    pub shared: Option<bool>,
}

/// A search that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Search {
    /// Its id.
    pub search_id: SearchId,
    /// What it is called.
    pub name: String,
    /// Where it is found in the pages: `/hunt`, and what narrows it.
    pub address: String,
    /// Whether everybody sees it.
    pub shared: bool,
    /// Whose it is.
    pub owner: String,
    /// When it was kept first.
    pub created_at: Micros,
    /// When it was changed last.
    pub changed_at: Micros,
    /// Counts its changes, from 1.
    pub version: u64,
    /// Whose it is, by number.
    #[serde(skip)]
    pub owner_id: UserId,
}

/// Searches.
#[derive(Debug, Clone, Copy)]
pub struct Searches<'a>(pub(crate) &'a Ledger);

impl Searches<'_> {
    /// Keeps one.
    pub async fn keep(
        self,
        actor: &Actor,
        now: Micros,
        owner: UserId,
        new: &NewSearch,
    ) -> Result<Search> {
        let (name, address) = (line("name", &new.name)?, address(&new.address)?);
        let mut tx = self.0.begin().await?;
        let query = sql("SELECT search_id FROM searches WHERE user_id = $1 AND name = $2");
        if let Some(row) = query.bind(owner).bind(&name).maybe(&mut tx).await? {
            let before = fetch(&mut tx, row.get("search_id")?).await?;
            let change =
                SearchChange { name: None, address: Some(address), shared: Some(new.shared) };
            let kept = changed(&mut tx, (actor, now), &before, &change).await?;
            tx.commit().await?;
            return Ok(kept);
        }
        let query = sql("SELECT COUNT(*) AS n FROM searches WHERE user_id = $1").bind(owner);
        if query.one(&mut tx).await?.get::<u64>("n")? >= MAX_SEARCHES {
            let why = format!("{MAX_SEARCHES} are kept already; remove some");
            return Err(LedgerError::invalid("search", why));
        }
        let id = SearchId::next(&mut tx).await?;
        let query = sql("INSERT INTO searches (search_id, user_id, name, address, shared, \
             created_at, changed_at, version) VALUES ($1, $2, $3, $4, $5, $6, $6, 1)");
        let query = query.bind(id).bind(owner).bind(&name).bind(&address).bind(new.shared);
        query.bind(now).run(&mut tx).await?;
        let kept = fetch(&mut tx, id).await?;
        tx.audit((actor, now), "search.keep", (Kind::Search, id), (None, Some(json!(kept))));
        tx.changed(Kind::Search, id, 1);
        tx.commit().await?;
        Ok(kept)
    }

    /// Changes one. `expected` is the version that the change was decided on.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: SearchId,
        expected: Option<u64>,
        change: &SearchChange,
    ) -> Result<Search> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        LedgerError::check_version((Kind::Search, id), expected, before.version, &before)?;
        let after = changed(&mut tx, (actor, now), &before, change).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Removes one.
    pub async fn remove(self, actor: &Actor, now: Micros, id: SearchId) -> Result<()> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        sql("DELETE FROM searches WHERE search_id = $1").bind(id).run(&mut tx).await?;
        tx.audit((actor, now), "search.remove", (Kind::Search, id), (Some(json!(before)), None));
        tx.changed(Kind::Search, id, before.version + 1);
        tx.commit().await
    }

    /// One.
    pub async fn get(self, id: SearchId) -> Result<Search> {
        fetch(&mut *self.0.reader().await?, id).await
    }

    /// A person's own and those that everybody sees, the newest first.
    pub async fn list(self, of: UserId, paging: &Paging) -> Result<Page<Search>> {
        let mut query = sql(SELECT);
        query.push(" AND (s.shared = 1 OR s.user_id = ").arg(of).push(")");
        paging.after(&mut query, "searches_n", "(s.search_id)")?;
        query.push(" ORDER BY s.search_id DESC LIMIT ").arg(i64::from(paging.limit()?) + 1);
        let rows = query.all(&mut *self.0.reader().await?).await?;
        let rows: Vec<Search> = rows.iter().map(read).collect::<Result<_>>()?;
        paging.page("searches_n", rows, |s| (Vec::new(), s.search_id.number().to_string()))
    }
}

async fn changed(
    tx: &mut Tx,
    by: (&Actor, Micros),
    before: &Search,
    change: &SearchChange,
) -> Result<Search> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        after.name = line("name", name)?;
    }
    if let Some(said) = &change.address {
        after.address = address(said)?;
    }
    after.shared = change.shared.unwrap_or(before.shared);
    if after == *before {
        return Ok(after);
    }
    let query = sql("SELECT search_id FROM searches WHERE user_id = $1 AND name = $2 \
         AND search_id <> $3");
    let query = query.bind(before.owner_id).bind(&after.name).bind(before.search_id);
    if query.maybe(tx).await?.is_some() {
        return Err(LedgerError::invalid("name", "is that of another search"));
    }
    (after.changed_at, after.version) = (by.1, before.version + 1);
    let query = sql("UPDATE searches SET name = $1, address = $2, shared = $3, changed_at = $4, \
         version = $5 WHERE search_id = $6");
    let query = query.bind(&after.name).bind(&after.address).bind(after.shared);
    query.bind(after.changed_at).bind(after.version).bind(after.search_id).run(tx).await?;
    let told = |search: &Search| {
        [
            ("name", json!(search.name)),
            ("address", json!(search.address)),
            ("shared", json!(search.shared)),
        ]
    };
    let object = (Kind::Search, after.search_id);
    tx.audit(by, "search.change", object, differing(told(before), told(&after)));
    tx.changed(Kind::Search, after.search_id, after.version);
    Ok(after)
}

/// An address within the pages, and of a search: it becomes a link before others.
fn address(text: &str) -> Result<String> {
    let rest = text.strip_prefix(PLACE);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('?')) {
        let why = "must be `/hunt`, and what narrows it after `?`";
        return Err(LedgerError::invalid("address", why));
    }
    if text.len() > MAX_ADDRESS || text.chars().any(char::is_control) {
        let why = format!("may have {MAX_ADDRESS} bytes at most, and no control characters");
        return Err(LedgerError::invalid("address", why));
    }
    Ok(text.to_owned())
}

const SELECT: &str = "SELECT s.search_id, s.user_id, s.name, s.address, s.shared, s.created_at, \
     s.changed_at, s.version, u.login FROM searches s JOIN users u ON u.user_id = s.user_id \
     WHERE 1 = 1";

async fn fetch(on: &mut AnyConnection, id: SearchId) -> Result<Search> {
    let mut query = sql(SELECT);
    query.push(" AND s.search_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::Search, id)), read)
}

fn read(row: &Row) -> Result<Search> {
    Ok(Search {
        search_id: row.get("search_id")?,
        name: row.get("name")?,
        address: row.get("address")?,
        shared: row.get("shared")?,
        owner: row.get("login")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
        version: row.get("version")?,
        owner_id: row.get("user_id")?,
    })
}
