//! Opening, sharing and losing the database.

use std::time::Duration;

use ledger::{Change, ErrorKind, Kind, Ledger, News, On, Options, Place};
use sqlx::Executor;

use crate::common::{House, alert, alert_id, alice, at, on_both, options, runtime};

on_both!(
    what_was_written_is_there_again,
    two_may_open_it_at_once,
    a_newer_database_is_refused,
    whoever_waits_too_long_is_told,
    readers_are_not_held_up,
    changes_are_told_after_the_commit,
    what_cannot_be_read_is_said,
    a_dropped_write_leaves_nothing,
);

async fn what_was_written_is_there_again(house: House) {
    house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
    let before = house.ledger.alerts().get(alert_id(1), at(1)).await.unwrap();
    house.ledger.close().await;
    assert_eq!(house.ledger.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let again = Ledger::open(&house.place, &options()).await.unwrap();
    again.ping().await.unwrap();
    assert_eq!(again.alerts().get(alert_id(1), at(1)).await.unwrap(), before);
}

async fn two_may_open_it_at_once(house: House) {
    let place = house.another_place().await;
    let open = |_| {
        let place = place.clone();
        tokio::spawn(async move { Ledger::open(&place, &options()).await })
    };
    let opening = [0; 4].map(open);
    let mut writers = Vec::new();
    for one in opening {
        let ledger = one.await.unwrap().unwrap();
        ledger.alerts().upsert(&[alert(1)], at(0)).await.unwrap();
        writers.push(tokio::spawn(async move {
            for n in 0..20 {
                ledger.comments().add(&alice(), at(n), On::Alert(alert_id(1)), "x").await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let ledger = Ledger::open(&place, &options()).await.unwrap();
    let whole = ledger.audit().verify(1, None).await.unwrap();
    assert_eq!((whole.broken, whole.checked), (None, 80));
}

async fn a_newer_database_is_refused(house: House) {
    house.ledger.close().await;
    let table = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
         execution_time) SELECT 9999, description, success, checksum, 0 FROM _sqlx_migrations \
         WHERE version = 1";
    house.tamper(table).await;
    let refused = Ledger::open(&house.place, &options()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.inside().unwrap().contains("another version"), "{refused:?}");
}

async fn whoever_waits_too_long_is_told(house: House) {
    let short = Options { readers: 1, patience: Duration::from_millis(300) };
    let impatient = Ledger::open(&house.place, &short).await.unwrap();
    let mut holder = house.held().await;
    let busy = impatient.alerts().upsert(&[alert(1)], at(1)).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert!(busy.inside().is_some());
    holder.execute("COMMIT").await.unwrap();
    assert_eq!(impatient.alerts().upsert(&[alert(1)], at(1)).await, Ok(1));
}

async fn readers_are_not_held_up(house: House) {
    house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
    let mut holder = house.held().await;
    let patient = {
        let ledger = house.ledger.clone();
        tokio::spawn(async move { ledger.alerts().upsert(&[alert(2)], at(2)).await })
    };
    house.ledger.alerts().get(alert_id(1), at(1)).await.unwrap();
    holder.execute("COMMIT").await.unwrap();
    assert_eq!(patient.await.unwrap(), Ok(1));
}

async fn changes_are_told_after_the_commit(house: House) {
    let mut changes = house.ledger.changes();
    house.ledger.alerts().upsert(&[alert(1), alert(2)], at(1)).await.unwrap();
    let comments = house.ledger.comments();
    // What fails tells nothing.
    comments.add(&alice(), at(2), On::Alert(alert_id(9)), "x").await.unwrap_err();
    comments.add(&alice(), at(3), On::Alert(alert_id(1)), "x").await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..4 {
        let Some(News::Change(change)) = changes.next().await else { panic!("no change") };
        heard.push(change);
    }
    let change = |kind, id: String, version| Change { kind, id, version };
    heard.sort_by_key(|c| (c.kind, c.version, c.id.clone()));
    let mut first = [1, 2].map(|n| change(Kind::Alert, alert_id(n).to_string(), 1));
    first.sort_by_key(|c| c.id.clone());
    let [one, two] = first;
    let three = change(Kind::Alert, alert_id(1).to_string(), 2);
    let four = change(Kind::Comment, "c-1".to_owned(), 1);
    assert_eq!(heard, [one, two, three, four]);
    // Whoever is too slow is told so.
    let many: Vec<_> = (10..2_000).map(alert).collect();
    house.ledger.alerts().upsert(&many, at(4)).await.unwrap();
    assert!(matches!(changes.next().await, Some(News::Missed(n)) if n > 0));
    drop(house);
    while let Some(news) = changes.next().await {
        assert!(matches!(news, News::Change(_)));
    }
}

async fn what_cannot_be_read_is_said(house: House) {
    house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
    for wrong in ["state = 'asleep'", "state = 'closed', resolution = NULL", "told = '{'"] {
        house.tamper(&format!("UPDATE alerts SET {wrong}")).await;
        let error = house.ledger.alerts().get(alert_id(1), at(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong}");
    }
}

async fn a_dropped_write_leaves_nothing(house: House) {
    // A request that is cancelled at any point leaves all of it or none, and the writer free.
    let many: Vec<_> = (0..300).map(alert).collect();
    for micros in [0, 50, 500, 2_000, 5_000, 20_000] {
        let cut = Duration::from_micros(micros);
        let _ = tokio::time::timeout(cut, house.ledger.alerts().upsert(&many, at(1))).await;
        let filter = ledger::AlertFilter::default();
        let total = house.ledger.alerts().facets(&filter, at(1)).await.unwrap().total;
        assert!(total == 0 || total == 300, "{total}");
    }
    house.ledger.alerts().upsert(&many, at(2)).await.unwrap();
}

/// A disk that is full ends a transaction by itself, as this trigger does. What writes must be able to go
/// on when there is room again.
#[test]
fn a_transaction_that_the_database_ended_holds_up_no_other() {
    crate::common::on_sqlite(async |house: House| {
        let trigger = "CREATE TRIGGER full BEFORE INSERT ON alerts \
             BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
        house.tamper(trigger).await;
        for _ in 0..3 {
            let full = house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap_err();
            assert!(
                full.inside().is_some_and(|inside| inside.contains("disk is full")),
                "{full:?}"
            );
        }
        house.tamper("DROP TRIGGER full").await;
        assert_eq!(house.ledger.alerts().upsert(&[alert(1)], at(1)).await, Ok(1));
    });
}

#[test]
fn a_file_that_is_no_database_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::in_folder(folder.path());
    std::fs::write(folder.path().join(Place::FILE), "not a database ".repeat(1_000)).unwrap();
    let error = runtime().block_on(Ledger::open(&place, &options())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    let nowhere = Place::in_folder(&folder.path().join("missing"));
    let error = runtime().block_on(Ledger::open(&nowhere, &options())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[test]
fn a_folder_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b#c?d%20é");
    std::fs::create_dir(&odd).unwrap();
    let place = Place::in_folder(&odd);
    runtime().block_on(async {
        let ledger = Ledger::open(&place, &options()).await.unwrap();
        ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
        ledger.close().await;
    });
    assert!(std::fs::metadata(odd.join(Place::FILE)).unwrap().len() > 100_000);
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::in_folder(folder.path());
    let ledger = runtime().block_on(Ledger::open(&place, &options())).unwrap();
    for name in [Place::FILE.to_owned(), format!("{}-wal", Place::FILE)] {
        // SQLite makes its log when it first writes to it.
        let Ok(about) = std::fs::metadata(folder.path().join(&name)) else {
            assert_ne!(name, Place::FILE);
            continue;
        };
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
    }
    drop(ledger);
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let place = Place::parse("postgres://watch:hunter2@127.0.0.1:1/none").unwrap();
    let short = Options { readers: 1, patience: Duration::from_secs(2) };
    let error = runtime().block_on(Ledger::open(&place, &short)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
