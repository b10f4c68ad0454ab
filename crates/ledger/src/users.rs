//! Users: who may come in, and as what.

use model::{Digest, Micros};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::actor::Actor;
use crate::alerts::differing;
use crate::error::{LedgerError, Result};
use crate::ids::UserId;
use crate::ledger::Ledger;
use crate::links::{self, Purpose};
use crate::news::Kind;
use crate::secret::Secret;
use crate::sessions;
use crate::sql::{Row, sql};
use crate::text::{line, maybe_line};
use crate::tx::Tx;
use crate::words::words;

words! {
    /// What a user is. What each may do is for the application to say.
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Works on alerts and incidents.
        Analyst = "analyst",
        /// Also acts on other systems.
        Responder = "responder",
        /// Also changes rules, sources and senders.
        Engineer = "engineer",
        /// Also changes users and settings.
        Admin = "admin",
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User {
    /// Their id.
    pub user_id: UserId,
    /// By what they log in, and are named everywhere else: lower case, and never changed.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// What they are.
    pub role: Role,
    /// Whether they are kept out.
    pub disabled: bool,
    /// Whether they have a password.
    pub has_password: bool,
    /// When it was set.
    pub password_at: Option<Micros>,
    /// When they were made.
    pub created_at: Micros,
    /// Counts changes, from 1.
    pub version: u64,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// By what they will log in; case is folded.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// What they are.
    pub role: Role,
    /// Their password's hash; none when they come in some other way.
    pub password: Option<Secret>,
}

/// What may change on a user; none leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Their name.
    pub name: Option<String>,
    /// Where mail reaches them.
    pub email: Option<Option<String>>,
    /// What they are.
    pub role: Option<Role>,
    /// Whether they are kept out.
    pub disabled: Option<bool>,
}

/// Users.
#[derive(Debug, Clone, Copy)]
pub struct Users<'a>(pub(crate) &'a Ledger);

impl Users<'_> {
    /// Makes one.
    pub async fn add(self, actor: &Actor, now: Micros, new: &NewUser) -> Result<User> {
        let mut tx = self.0.begin().await?;
        let user = add(&mut tx, (actor, now), new).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Whether there is nobody yet, so that the first one must be made with a one-time link.
    pub async fn none_yet(self) -> Result<bool> {
        none_yet(&mut *self.0.reader().await?).await
    }

    /// Makes the first user, an admin, with a one-time link for that purpose; works once, and only
    /// while there is nobody.
    pub async fn add_first(
        self,
        actor: &Actor,
        now: Micros,
        link: Digest,
        new: &NewUser,
    ) -> Result<User> {
        let mut tx = self.0.begin().await?;
        links::take(&mut tx, link, Purpose::FirstAdmin, now).await?;
        if !none_yet(&mut tx).await? {
            return Err(LedgerError::invalid("link", "there are users already"));
        }
        let new = NewUser { role: Role::Admin, ..new.clone() };
        let user = add(&mut tx, (actor, now), &new).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// One, by id.
    pub async fn get(self, id: UserId) -> Result<User> {
        fetch(&mut *self.0.reader().await?, id).await
    }

    /// One by login, with the password's hash, for checking it.
    pub async fn for_login(self, login: &str) -> Result<Option<(User, Option<Secret>)>> {
        let mut query = sql(SELECT);
        query.push(" AND login = ").arg(login.trim().to_lowercase());
        let row = query.maybe(&mut *self.0.reader().await?).await?;
        let pair =
            |row: &Row| Ok((read(row)?, row.opt("password")?.map(|p: String| Secret::new(p))));
        row.as_ref().map(pair).transpose()
    }

    /// Those with a mail address, whatever its case; two at most, which tells that it is not one person's.
    pub async fn by_email(self, email: &str) -> Result<Vec<User>> {
        let mut query = sql(SELECT);
        query.push(" AND LOWER(email) = ").arg(email.trim().to_lowercase());
        query.push(" ORDER BY user_id LIMIT 2");
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// All, by login, 500 from an offset on.
    pub async fn list(self, offset: u32) -> Result<Vec<User>> {
        let mut query = sql(SELECT);
        query.push(" ORDER BY login LIMIT 500 OFFSET ").arg(i64::from(offset));
        query.all(&mut *self.0.reader().await?).await?.iter().map(read).collect()
    }

    /// Changes one. Whoever loses a role or is kept out is logged out at once. There is always an
    /// admin.
    pub async fn change(
        self,
        actor: &Actor,
        now: Micros,
        id: UserId,
        expected: Option<u64>,
        change: &UserChange,
    ) -> Result<User> {
        let mut tx = self.0.begin().await?;
        let before = fetch(&mut tx, id).await?;
        LedgerError::check_version((Kind::User, id), expected, before.version, &before)?;
        let mut after = before.clone();
        if let Some(name) = &change.name {
            after.name = line("name", name)?;
        }
        if let Some(email) = &change.email {
            after.email = maybe_line("email", email.as_deref())?;
        }
        after.role = change.role.unwrap_or(before.role);
        after.disabled = change.disabled.unwrap_or(before.disabled);
        if after == before {
            return Ok(before);
        }
        after.version += 1;
        let query = sql("UPDATE users SET name = $1, email = $2, role = $3, disabled = $4, \
             version = $5 WHERE user_id = $6");
        let query = query.bind(&after.name).bind(after.email.as_deref()).bind(after.role);
        query.bind(after.disabled).bind(after.version).bind(id).run(&mut tx).await?;
        if before.role != after.role || after.disabled {
            sessions::end_all(&mut tx, id, None).await?;
        }
        if before.role == Role::Admin && !before.disabled {
            an_admin_is_left(&mut tx).await?;
        }
        let told = |user: &User| {
            [
                ("name", json!(user.name)),
                ("email", json!(user.email)),
                ("role", json!(user.role)),
                ("disabled", json!(user.disabled)),
            ]
        };
        tx.audit(
            (actor, now),
            "user.change",
            (Kind::User, id),
            differing(told(&before), told(&after)),
        );
        tx.changed(Kind::User, id, after.version);
        tx.commit().await?;
        Ok(after)
    }

    /// Sets a password's hash, or takes the password away. All sessions of the user end, but for the
    /// one in which they did it themselves.
    pub async fn set_password(
        self,
        actor: &Actor,
        now: Micros,
        id: UserId,
        password: Option<&Secret>,
        but: Option<Digest>,
    ) -> Result<User> {
        let mut tx = self.0.begin().await?;
        fetch(&mut tx, id).await?;
        let query = sql("UPDATE users SET password = $1, password_at = $2, version = version + 1 \
             WHERE user_id = $3");
        let query = query.bind(password.map(Secret::expose)).bind(password.map(|_| now));
        query.bind(id).run(&mut tx).await?;
        sessions::end_all(&mut tx, id, but).await?;
        tx.audit((actor, now), "user.password", (Kind::User, id), (None, None));
        let user = fetch(&mut tx, id).await?;
        tx.changed(Kind::User, id, user.version);
        tx.commit().await?;
        Ok(user)
    }
}

pub(crate) async fn add(
    tx: &mut Tx,
    (actor, now): (&Actor, Micros),
    new: &NewUser,
) -> Result<User> {
    let login = line("login", &new.login)?.to_lowercase();
    if login.contains(char::is_whitespace) {
        return Err(LedgerError::invalid("login", "may not hold spaces"));
    }
    let (name, email) = (line("name", &new.name)?, maybe_line("email", new.email.as_deref())?);
    let query = sql("SELECT COUNT(*) AS n FROM users WHERE login = $1").bind(&login);
    if query.one(tx).await?.get::<u64>("n")? > 0 {
        return Err(LedgerError::Exists { what: Kind::User, field: "login" });
    }
    let id = UserId::next(tx).await?;
    let query =
        sql("INSERT INTO users (user_id, login, name, email, role, password, password_at, \
         disabled, created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 1)");
    let query = query.bind(id).bind(&login).bind(&name).bind(email.as_deref()).bind(new.role);
    let query = query.bind(new.password.as_ref().map(Secret::expose));
    query.bind(new.password.as_ref().map(|_| now)).bind(now).run(tx).await?;
    let after = json!({ "login": login, "name": name, "email": email, "role": new.role });
    tx.audit((actor, now), "user.add", (Kind::User, id), (None, Some(after)));
    tx.changed(Kind::User, id, 1);
    fetch(tx, id).await
}

async fn none_yet(on: &mut AnyConnection) -> Result<bool> {
    Ok(sql("SELECT COUNT(*) AS n FROM users").one(on).await?.get::<u64>("n")? == 0)
}

async fn an_admin_is_left(on: &mut AnyConnection) -> Result<()> {
    let query = sql("SELECT COUNT(*) AS n FROM users WHERE role = $1 AND disabled = 0");
    if query.bind(Role::Admin).one(on).await?.get::<u64>("n")? == 0 {
        return Err(LedgerError::invalid("user", "is the last admin; make another one first"));
    }
    Ok(())
}

const SELECT: &str = "SELECT user_id, login, name, email, role, password, password_at, disabled, \
     created_at, version FROM users WHERE 1 = 1";

pub(crate) async fn fetch(on: &mut AnyConnection, id: UserId) -> Result<User> {
    let mut query = sql(SELECT);
    query.push(" AND user_id = ").arg(id);
    let row = query.maybe(on).await?;
    row.as_ref().map_or_else(|| Err(LedgerError::not_found(Kind::User, id)), read)
}

fn read(row: &Row) -> Result<User> {
    Ok(User {
        user_id: row.get("user_id")?,
        login: row.get("login")?,
        name: row.get("name")?,
        email: row.opt("email")?,
        role: row.get("role")?,
        disabled: row.get("disabled")?,
        has_password: row.opt::<String>("password")?.is_some(),
        password_at: row.opt("password_at")?,
        created_at: row.get("created_at")?,
        version: row.get("version")?,
    })
}
