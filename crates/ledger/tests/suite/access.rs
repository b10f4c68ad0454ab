//! Who may come in: users, sessions, tokens, factors, links, and those who guess.

use ledger::{
    Actor, AuditFilter, ErrorKind, LedgerError, NewLink, NewSession, NewToken, NewUser, Paging,
    Purpose, Role, Secret, User, UserChange,
};
use model::Digest;
use sqlx::Executor as _;

use crate::common::{House, alice, at, digest, on_both};

on_both!(
    the_first_admin_comes_by_a_link_once,
    users_are_changed_and_there_is_always_an_admin,
    sessions_end_when_they_should,
    tokens_work_until_they_do_not,
    who_comes_in_is_not_turned_away_when_that_cannot_be_noted,
    a_code_is_taken_once,
    passkeys_are_kept_and_counted,
    identities_say_as_whom_somebody_comes_in,
    links_work_once,
    failures_are_counted_by_login_and_address,
    no_secret_is_shown,
);

const MINUTE: i64 = 60_000_000;

fn new(login: &str, role: Role) -> NewUser {
    NewUser {
        login: login.to_owned(),
        name: login.to_uppercase(),
        email: None,
        role,
        password: Some(Secret::new("$argon2id$v=19$hunter2")),
    }
}

async fn admin(house: &House) -> User {
    house
        .ledger
        .users()
        .add(&Actor::system("setup"), at(0), &new("root", Role::Admin))
        .await
        .unwrap()
}

async fn the_first_admin_comes_by_a_link_once(house: House) {
    let (users, links) = (house.ledger.users(), house.ledger.links());
    let setup = Actor::system("setup");
    assert_eq!(users.none_yet().await, Ok(true));
    let link = |name: &str| NewLink {
        digest: digest(name),
        purpose: Purpose::FirstAdmin,
        user: None,
        role: None,
        expires: at(100),
    };
    links.add(&setup, at(0), &link("old")).await.unwrap();
    links.add(&setup, at(1), &link("new")).await.unwrap();
    let first = new("Alice", Role::Viewer);
    // Only the last link works.
    let old = users.add_first(&setup, at(2), digest("old"), &first).await.unwrap_err();
    assert_eq!(old.kind(), ErrorKind::NotFound);
    let user = users.add_first(&setup, at(2), digest("new"), &first).await.unwrap();
    assert_eq!((user.login.as_str(), user.role), ("alice", Role::Admin));
    let again = users.add_first(&setup, at(3), digest("new"), &first).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    links.add(&setup, at(4), &link("third")).await.unwrap();
    let late = users.add_first(&setup, at(5), digest("third"), &new("eve", Role::Admin)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(users.none_yet().await, Ok(false));
}

async fn users_are_changed_and_there_is_always_an_admin(house: House) {
    let users = house.ledger.users();
    let root = admin(&house).await;
    let taken = users.add(&alice(), at(1), &new("ROOT", Role::Viewer)).await.unwrap_err();
    assert!(matches!(taken, LedgerError::Exists { field: "login", .. }));
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    let demote = UserChange { role: Some(Role::Analyst), ..UserChange::default() };
    let disable = UserChange { disabled: Some(true), ..UserChange::default() };
    for change in [&demote, &disable] {
        let refused = users.change(&alice(), at(2), root.user_id, None, change).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    assert_eq!(users.get(root.user_id).await.unwrap(), root);
    users.add(&alice(), at(3), &new("second", Role::Admin)).await.unwrap();
    let changed = users.change(&alice(), at(4), root.user_id, Some(1), &demote).await.unwrap();
    assert_eq!((changed.role, changed.version), (Role::Analyst, 2));
    let late = users.change(&alice(), at(5), root.user_id, Some(1), &disable).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let (found, password) = users.for_login(" Root ").await.unwrap().unwrap();
    assert_eq!(found, changed);
    assert_eq!(password.unwrap().expose(), "$argon2id$v=19$hunter2");
    assert_eq!(users.for_login("nobody").await.unwrap(), None);
    users.set_password(&alice(), at(6), root.user_id, None, None).await.unwrap();
    assert_eq!(users.for_login("root").await.unwrap().unwrap().1, None);
    let logins: Vec<_> = users.list(0).await.unwrap().into_iter().map(|u| u.login).collect();
    assert_eq!(logins, ["root", "second"]);
}

async fn sessions_end_when_they_should(house: House) {
    let (users, sessions) = (house.ledger.users(), house.ledger.sessions());
    admin(&house).await;
    let user = users.add(&alice(), at(0), &new("alice", Role::Analyst)).await.unwrap();
    let session = |name: &str| NewSession {
        digest: digest(name),
        user: user.user_id,
        factors: vec!["password".to_owned(), "totp".to_owned()],
        address: "2001:db8::7".parse().ok(),
        agent: "Firefox\n".repeat(100),
        idle: 10 * MINUTE,
        expires: at(3_600),
    };
    sessions.begin(at(0), &session("one")).await.unwrap();
    let check =
        async |name: &str, now| sessions.check(digest(name), at(now), 10 * MINUTE).await.unwrap();
    assert_eq!(check("other", 1).await, None);
    let (first, who) = check("one", 30).await.unwrap();
    assert_eq!((first.seen_at, who.login.as_str()), (at(0), "alice"));
    assert_eq!(first.factors, ["password", "totp"]);
    // Each visit makes it last, but never past its end.
    for now in [500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_599] {
        let (session, _) = check("one", now).await.unwrap();
        assert_eq!(session.idle_at, at((now + 600).min(3_600)));
    }
    assert_eq!(check("one", 3_600).await, None);
    sessions.begin(at(0), &session("two")).await.unwrap();
    assert_eq!(check("two", 600).await, None);

    for name in ["a", "b", "c"] {
        sessions.begin(at(10), &session(name)).await.unwrap();
    }
    let listed = sessions.list(user.user_id, at(11)).await.unwrap();
    // Of the first two, one was idle too long at its last visit and one is over.
    let revoked = listed[0].session_id;
    sessions.revoke(&alice(), at(12), revoked).await.unwrap();
    assert_eq!(check("c", 13).await, None);
    sessions.end(&alice(), at(13), digest("b")).await.unwrap();
    assert_eq!(check("b", 14).await, None);
    users
        .set_password(&alice(), at(14), user.user_id, Some(&Secret::new("$x")), Some(digest("a")))
        .await
        .unwrap();
    assert!(check("a", 15).await.is_some());
    assert_eq!(check("two", 15).await, None);
    let promote = UserChange { role: Some(Role::Responder), ..UserChange::default() };
    users.change(&alice(), at(16), user.user_id, None, &promote).await.unwrap();
    assert_eq!(check("a", 17).await, None);
    sessions.begin(at(20), &session("d")).await.unwrap();
    let disable = UserChange { disabled: Some(true), ..UserChange::default() };
    users.change(&alice(), at(21), user.user_id, None, &disable).await.unwrap();
    assert_eq!(check("d", 22).await, None);
    assert_eq!(sessions.begin(at(23), &session("e")).await.unwrap_err().kind(), ErrorKind::Invalid);
    let enable = UserChange { disabled: Some(false), ..UserChange::default() };
    users.change(&alice(), at(24), user.user_id, None, &enable).await.unwrap();
    for name in ["f", "g"] {
        sessions.begin(at(25), &session(name)).await.unwrap();
    }
    assert_eq!(sessions.revoke_all(&alice(), at(26), user.user_id, Some(digest("f"))).await, Ok(1));
    assert!(check("f", 27).await.is_some());
    assert_eq!(sessions.prune(at(10_000)).await, Ok(1));
    assert_eq!(sessions.prune(at(10_000)).await, Ok(0));
}

async fn tokens_work_until_they_do_not(house: House) {
    let (users, tokens) = (house.ledger.users(), house.ledger.tokens());
    admin(&house).await;
    let user = users.add(&alice(), at(0), &new("robot", Role::Viewer)).await.unwrap();
    let token = |name: &str, expires| NewToken {
        digest: digest(name),
        user: user.user_id,
        name: name.to_owned(),
        scopes: vec!["alerts:read".to_owned()],
        expires,
    };
    let forever = tokens.add(&alice(), at(0), &token("forever", None)).await.unwrap();
    tokens.add(&alice(), at(0), &token("short", Some(at(10)))).await.unwrap();
    let from = "203.0.113.5".parse().ok();
    let check = async |name: &str, now| tokens.check(digest(name), at(now), from).await.unwrap();
    let (used, who) = check("forever", 5).await.unwrap();
    assert_eq!((used.used_at, used.used_from, who.login.as_str()), (Some(at(5)), from, "robot"));
    assert_eq!(tokens.get(forever.token_id).await.unwrap(), used);
    assert_eq!(used.scopes, ["alerts:read"]);
    // A minute is not noted twice.
    assert_eq!(check("forever", 64).await.unwrap().0.used_at, Some(at(5)));
    assert_eq!(check("forever", 65).await.unwrap().0.used_at, Some(at(65)));
    assert!(check("short", 9).await.is_some());
    assert_eq!(check("short", 10).await, None);
    tokens.revoke(&alice(), at(70), forever.token_id).await.unwrap();
    assert_eq!(check("forever", 71).await, None);
    assert_eq!(tokens.list(Some(user.user_id)).await.unwrap().len(), 2);
    tokens.add(&alice(), at(80), &token("third", None)).await.unwrap();
    let disable = UserChange { disabled: Some(true), ..UserChange::default() };
    users.change(&alice(), at(81), user.user_id, None, &disable).await.unwrap();
    assert_eq!(check("third", 82).await, None);
}

async fn who_comes_in_is_not_turned_away_when_that_cannot_be_noted(house: House) {
    let (sessions, tokens) = (house.ledger.sessions(), house.ledger.tokens());
    let user = admin(&house).await.user_id;
    let token = NewToken {
        digest: digest("token"),
        user,
        name: "robot".to_owned(),
        scopes: Vec::new(),
        expires: None,
    };
    tokens.add(&alice(), at(0), &token).await.unwrap();
    let session = NewSession {
        digest: digest("session"),
        user,
        factors: Vec::new(),
        address: None,
        agent: String::new(),
        idle: 10 * MINUTE,
        expires: at(3_600),
    };
    sessions.begin(at(0), &session).await.unwrap();
    let mut holder = house.held().await;
    let (seen, _) = sessions.check(digest("session"), at(500), 10 * MINUTE).await.unwrap().unwrap();
    // What could not be noted is not said either.
    assert_eq!((seen.seen_at, seen.idle_at), (at(0), at(600)));
    let (used, _) = tokens.check(digest("token"), at(500), None).await.unwrap().unwrap();
    assert_eq!(used.used_at, None);
    holder.execute("COMMIT").await.unwrap();
    let (seen, _) = sessions.check(digest("session"), at(501), 10 * MINUTE).await.unwrap().unwrap();
    assert_eq!((seen.seen_at, seen.idle_at), (at(501), at(1_101)));
    let (used, _) = tokens.check(digest("token"), at(501), None).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(at(501)));
}

async fn a_code_is_taken_once(house: House) {
    let factors = house.ledger.factors();
    let user = admin(&house).await.user_id;
    assert_eq!(factors.take_step(user, 100, at(0)).await, Ok(false));
    factors.begin_totp(&alice(), at(0), user, &Secret::new("sealed")).await.unwrap();
    let totp = factors.totp(user).await.unwrap().unwrap();
    assert_eq!((totp.confirmed, totp.sealed.expose()), (false, "sealed"));
    assert_eq!(factors.take_step(user, 100, at(1)).await, Ok(true));
    assert_eq!(factors.take_step(user, 100, at(2)).await, Ok(false));
    assert_eq!(factors.take_step(user, 99, at(2)).await, Ok(false));
    assert_eq!(factors.take_step(user, 101, at(2)).await, Ok(true));
    let totp = factors.totp(user).await.unwrap().unwrap();
    assert_eq!((totp.confirmed, totp.last_step), (true, 101));
    // Two at once: one wins.
    let tries = [0; 6].map(|_| {
        let ledger = house.ledger.clone();
        tokio::spawn(async move { ledger.factors().take_step(user, 102, at(3)).await.unwrap() })
    });
    let mut taken = 0;
    for one in tries {
        taken += u32::from(one.await.unwrap());
    }
    assert_eq!(taken, 1);
    factors.begin_totp(&alice(), at(4), user, &Secret::new("other")).await.unwrap();
    assert!(!factors.totp(user).await.unwrap().unwrap().confirmed);
    factors.remove_totp(&alice(), at(5), user).await.unwrap();
    assert_eq!(factors.totp(user).await.unwrap(), None);
    assert_eq!(
        factors.remove_totp(&alice(), at(5), user).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

async fn passkeys_are_kept_and_counted(house: House) {
    let (factors, users) = (house.ledger.factors(), house.ledger.users());
    let user = admin(&house).await.user_id;
    let other = users.add(&alice(), at(0), &new("other", Role::Viewer)).await.unwrap().user_id;
    let key = ("cred-1", "YubiKey", r#"{"counter":1}"#);
    factors.add_passkey(&alice(), at(1), user, key).await.unwrap();
    let twice = factors.add_passkey(&alice(), at(1), other, key).await.unwrap_err();
    assert!(matches!(twice, LedgerError::Exists { .. }));
    let (one, two) = (r#"{"counter":1}"#, r#"{"counter":2}"#);
    assert!(factors.used_passkey("cred-1", (one, two), at(2)).await.unwrap());
    // Whoever read it before somebody else used it comes too late.
    assert!(!factors.used_passkey("cred-1", (one, r#"{"counter":3}"#), at(3)).await.unwrap());
    let found = factors.passkey("cred-1").await.unwrap().unwrap();
    assert_eq!((found.user_id, found.used_at), (user, Some(at(2))));
    assert_eq!(found.credential, r#"{"counter":2}"#);
    let foreign = factors.remove_passkey(&alice(), at(3), other, "cred-1").await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    for n in 2..=20 {
        let id = format!("cred-{n}");
        factors.add_passkey(&alice(), at(4), user, (&id, "key", "{}")).await.unwrap();
    }
    let full = factors.add_passkey(&alice(), at(5), user, ("cred-21", "key", "{}")).await;
    assert_eq!(full.unwrap_err().kind(), ErrorKind::Invalid);
    factors.remove_passkey(&alice(), at(6), user, "cred-1").await.unwrap();
    assert_eq!(factors.passkeys(user).await.unwrap().len(), 19);
}

async fn links_work_once(house: House) {
    let links = house.ledger.links();
    let user = admin(&house).await.user_id;
    let reset = |name: &str, user| NewLink {
        digest: digest(name),
        purpose: Purpose::PasswordReset,
        user,
        role: None,
        expires: at(100),
    };
    assert_eq!(
        links.add(&alice(), at(0), &reset("x", None)).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    links.add(&alice(), at(0), &reset("one", Some(user))).await.unwrap();
    links.add(&alice(), at(1), &reset("two", Some(user))).await.unwrap();
    assert_eq!(links.peek(digest("one"), at(2)).await, Ok(None));
    assert_eq!(links.peek(digest("two"), at(2)).await.unwrap().unwrap().user_id, Some(user));
    let purpose = links.take(digest("two"), Purpose::Invitation, at(3)).await.unwrap_err();
    assert_eq!(purpose.kind(), ErrorKind::NotFound);
    links.take(digest("two"), Purpose::PasswordReset, at(3)).await.unwrap();
    let again = links.take(digest("two"), Purpose::PasswordReset, at(4)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let invitation = |name: &str, expires| NewLink {
        digest: digest(name),
        purpose: Purpose::Invitation,
        user: None,
        role: Some(Role::Responder),
        expires: at(expires),
    };
    links.add(&alice(), at(5), &invitation("a", 50)).await.unwrap();
    links.add(&alice(), at(5), &invitation("b", 60)).await.unwrap();
    assert_eq!(
        links.take(digest("a"), Purpose::Invitation, at(50)).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let taken = links.take(digest("b"), Purpose::Invitation, at(50)).await.unwrap();
    assert_eq!(taken.role, Some(Role::Responder));
    assert_eq!(links.prune(at(60)).await, Ok(3));
}

async fn failures_are_counted_by_login_and_address(house: House) {
    let attempts = house.ledger.attempts();
    let window = 15 * MINUTE;
    let here = "2001:db8:1:2::1".parse().unwrap();
    let same_network = "2001:db8:1:2:ffff::9".parse().unwrap();
    let there = "198.51.100.1".parse().unwrap();
    let mapped = "::ffff:198.51.100.1".parse().unwrap();
    for n in 0..3 {
        attempts.failed("alice", here, at(n), window).await.unwrap();
    }
    let (login, address) = attempts.failed(" ALICE", same_network, at(3), window).await.unwrap();
    assert_eq!((login.count, address.count), (4, 4));
    let (login, address) = attempts.failed("bob", there, at(4), window).await.unwrap();
    assert_eq!((login.count, address.count), (1, 1));
    let (_, address) = attempts.failures("carol", mapped, at(5), window).await.unwrap();
    assert_eq!((address.count, address.last_at), (1, Some(at(4))));
    // Whoever comes in is forgiven, the address is not.
    attempts.forget("alice").await.unwrap();
    let (login, address) = attempts.failures("alice", here, at(5), window).await.unwrap();
    assert_eq!((login.count, address.count), (0, 4));
    let (_, address) = attempts.failures("alice", here, at(3 + 901), window).await.unwrap();
    assert_eq!(address.count, 0);
    let (_, address) = attempts.failed("alice", here, at(3 + 901), window).await.unwrap();
    assert_eq!(address.count, 1);
    let long = "x".repeat(100_000);
    attempts.failed(&long, here, at(1_000), window).await.unwrap();
    assert_eq!(attempts.failures(&long, here, at(1_000), window).await.unwrap().0.count, 1);
    assert_eq!(attempts.prune(at(10)).await, Ok(2));
}

async fn no_secret_is_shown(house: House) {
    let root = admin(&house).await;
    let found = house.ledger.users().for_login("root").await.unwrap();
    house
        .ledger
        .factors()
        .begin_totp(&alice(), at(1), root.user_id, &Secret::new("hunter2"))
        .await
        .unwrap();
    let totp = house.ledger.factors().totp(root.user_id).await.unwrap();
    let trail =
        house.ledger.audit().list(&AuditFilter::default(), &Paging::default()).await.unwrap();
    let shown =
        format!("{found:?} {totp:?} {:?} {trail:?} {:?}", house.ledger, new("a", Role::Viewer));
    assert!(!shown.contains("hunter2"), "{shown}");
    let secret_digest: Digest = digest("session token");
    let twice = NewToken {
        digest: secret_digest,
        user: root.user_id,
        name: "x".to_owned(),
        scopes: Vec::new(),
        expires: None,
    };
    house.ledger.tokens().add(&alice(), at(2), &twice).await.unwrap();
    let error = house.ledger.tokens().add(&alice(), at(3), &twice).await.unwrap_err();
    let shown = format!("{error:?} {error} {:?}", error.inside());
    assert!(!shown.contains(&secret_digest.to_string()), "{shown}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

async fn identities_say_as_whom_somebody_comes_in(house: House) {
    let (identities, users) = (house.ledger.identities(), house.ledger.users());
    let root = admin(&house).await.user_id;
    let (one, other) = (("https://login", "sub-1"), ("https://login", "sub-2"));
    assert_eq!(identities.user(one.0, one.1).await, Ok(None));
    let vera =
        NewUser { password: None, email: Some("Vera@x.org".into()), ..new("vera", Role::Viewer) };
    let vera = identities.add_user(&alice(), at(1), &vera, one).await.unwrap();
    assert!(!vera.has_password);
    assert_eq!(identities.user(one.0, one.1).await, Ok(Some(vera.clone())));
    // Another provider's word of the same name is somebody else's.
    assert_eq!(identities.user("https://other", one.1).await, Ok(None));
    // Nobody is two, and a user who cannot be made leaves no identity behind.
    let taken = identities.link(&alice(), at(2), root, one).await.unwrap_err();
    assert!(matches!(taken, LedgerError::Exists { .. }));
    let again = identities.add_user(&alice(), at(2), &new("vera", Role::Admin), other).await;
    assert!(matches!(again, Err(LedgerError::Exists { .. })));
    assert_eq!(identities.user(other.0, other.1).await, Ok(None));
    identities.link(&alice(), at(3), root, other).await.unwrap();
    identities.used(at(4), other).await.unwrap();
    let all = identities.list(root).await.unwrap();
    assert_eq!(
        all.iter().map(|i| (&*i.subject, i.used_at)).collect::<Vec<_>>(),
        [("sub-2", Some(at(4)))]
    );
    for n in 3..=21 {
        identities
            .link(&alice(), at(5), root, ("https://login", &format!("sub-{n}")))
            .await
            .unwrap();
    }
    let more = identities.link(&alice(), at(5), root, ("https://login", "more")).await.unwrap_err();
    assert_eq!(more.kind(), ErrorKind::Invalid);
    // Unlinked, they come in by none, and sessions that began so end.
    let sessions = house.ledger.sessions();
    for (name, factor) in [("by provider", "oidc"), ("by password", "password")] {
        let session = NewSession {
            digest: digest(name),
            user: root,
            factors: vec![factor.to_owned()],
            address: None,
            agent: String::new(),
            idle: 30 * MINUTE,
            expires: at(3_600),
        };
        sessions.begin(at(5), &session).await.unwrap();
    }
    assert_eq!(identities.unlink(&alice(), at(6), root).await, Ok(20));
    assert_eq!(identities.list(root).await, Ok(vec![]));
    assert_eq!(identities.user(other.0, other.1).await, Ok(None));
    assert_eq!(identities.user(one.0, one.1).await, Ok(Some(vera.clone())));
    let left = sessions.list(root, at(6)).await.unwrap();
    assert_eq!(left.iter().map(|s| s.factors.concat()).collect::<Vec<_>>(), ["password"]);
    assert_eq!(identities.unlink(&alice(), at(6), root).await, Ok(0));
    let filter = AuditFilter { action: Some("identity.unlink".into()), ..AuditFilter::default() };
    let told = house.ledger.audit().list(&filter, &Paging::first(500)).await.unwrap();
    assert_eq!(told.items.len(), 20);
    // An address that several have is nobody's.
    assert_eq!(users.by_email("vera@X.ORG ").await, Ok(vec![vera.clone()]));
    for login in ["a", "b"] {
        let same = NewUser { email: Some("same@x.org".into()), ..new(login, Role::Viewer) };
        users.add(&alice(), at(6), &same).await.unwrap();
    }
    assert_eq!(users.by_email("same@x.org").await.unwrap().len(), 2);
    assert_eq!(users.by_email("%@x.org").await, Ok(vec![]));
    let filter = AuditFilter { action: Some("identity.link".into()), ..AuditFilter::default() };
    let told = house.ledger.audit().list(&filter, &Paging::first(100)).await.unwrap();
    assert_eq!(told.items.len(), 21);
}
