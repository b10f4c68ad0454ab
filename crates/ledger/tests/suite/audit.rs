//! The audit trail: one chain, whoever writes, and every break of it is found.

use ledger::{Actor, AlertChange, AuditFilter, Break, Fault, Head, Kind, Paging};
use model::Digest;
use serde_json::json;

use crate::common::{House, alert, alert_id, alice, at, bob, on_both};

on_both!(
    entries_say_who_did_what,
    the_chain_holds,
    every_tampering_is_found,
    the_end_cannot_be_cut_off,
    many_writers_make_one_chain,
    big_sides_are_kept_as_digests,
);

async fn record(house: &House, actor: &Actor, number: i64) {
    let after = Some(json!({ "n": number, "text": "ünï\0code" }));
    let object = (Kind::Other, "thing");
    house.ledger.audit().record(actor, at(number), "test.do", object, (None, after)).await.unwrap();
}

async fn entries_say_who_did_what(house: House) {
    house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
    let change = AlertChange { owner: Some(Some("bob".to_owned())), ..AlertChange::default() };
    house.ledger.alerts().change(&alice(), at(2), alert_id(1), None, &change).await.unwrap();
    // What decides nothing new leaves no trace.
    house.ledger.alerts().change(&alice(), at(3), alert_id(1), None, &change).await.unwrap();
    record(&house, &bob(), 4).await;
    let audit = house.ledger.audit();
    let page = audit.list(&AuditFilter::default(), &Paging::default()).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let entry = &page.items[1];
    assert_eq!((entry.sequence, entry.at, &entry.actor), (1, at(2), &alice()));
    assert_eq!((entry.action.as_str(), entry.kind), ("alert.change", Kind::Alert));
    assert_eq!(entry.id, alert_id(1).to_string());
    assert_eq!(entry.before, Some(json!({ "owner": null })));
    assert_eq!(entry.after, Some(json!({ "owner": "bob" })));
    let none = AuditFilter::default;
    let cases = [
        (AuditFilter { actor: Some("bob".to_owned()), ..none() }, 1),
        (AuditFilter { action: Some("alert.".to_owned()), ..none() }, 1),
        (AuditFilter { action: Some("alert".to_owned()), ..none() }, 0),
        (AuditFilter { action: Some("test.do".to_owned()), ..none() }, 1),
        (AuditFilter { object: Some((Kind::Alert, alert_id(1).to_string())), ..none() }, 1),
        (AuditFilter { from: Some(at(3)), ..none() }, 1),
        (AuditFilter { to: Some(at(3)), from: Some(at(2)), ..none() }, 1),
    ];
    for (filter, expected) in cases {
        let page = audit.list(&filter, &Paging::default()).await.unwrap();
        assert_eq!(page.items.len(), expected, "{filter:?}");
    }
}

async fn the_chain_holds(house: House) {
    let audit = house.ledger.audit();
    let empty = audit.verify(1, None).await.unwrap();
    assert_eq!((empty.checked, empty.broken, empty.head.sequence), (0, None, 0));
    for n in 1..=25 {
        record(&house, &alice(), n).await;
    }
    let whole = audit.verify(1, None).await.unwrap();
    assert_eq!((whole.checked, whole.broken), (25, None));
    let part = audit.verify(7, Some(12)).await.unwrap();
    assert_eq!((part.checked, part.broken), (6, None));
    let head = audit.head().await.unwrap();
    assert_eq!(audit.hash_at(25).await, Ok(Some(head.hash)));
    record(&house, &bob(), 26).await;
    assert_eq!(audit.hash_at(head.sequence).await, Ok(Some(head.hash)));
    let mut paging = Paging::first(4);
    let mut seen = Vec::new();
    loop {
        let page = audit.list(&AuditFilter::default(), &paging).await.unwrap();
        seen.extend(page.items.iter().map(|entry| entry.sequence));
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    assert_eq!(seen, (1..=26).rev().collect::<Vec<u64>>());
}

async fn every_tampering_is_found(house: House) {
    for n in 1..=9 {
        record(&house, &alice(), n).await;
    }
    let audit = house.ledger.audit();
    let columns = [
        ("at", "at + 1"),
        ("actor_kind", "'system'"),
        ("actor", "'mallory'"),
        ("address", "NULL"),
        ("action", "'test.undo'"),
        ("object_kind", "'user'"),
        ("object_id", "'thing2'"),
        ("before", "after"),
        ("after", "NULL"),
        ("prev", "hash"),
        ("hash", "prev"),
        ("hash", "'not a hash'"),
    ];
    house.tamper("CREATE TABLE kept AS SELECT * FROM audit").await;
    for (column, value) in columns {
        let set = format!("UPDATE audit SET {column} = {value} WHERE sequence = 5");
        assert_eq!(house.tamper(&set).await, 1);
        let broken = audit.verify(1, None).await.unwrap().broken;
        assert_eq!(broken.as_ref().map(|b| b.sequence), Some(5), "{column} = {value}: {broken:?}");
        assert_eq!(audit.verify(6, None).await.unwrap().broken.is_some(), column == "hash");
        house.tamper("DELETE FROM audit WHERE sequence = 5").await;
        house.tamper("INSERT INTO audit SELECT * FROM kept WHERE sequence = 5").await;
        assert_eq!(audit.verify(1, None).await.unwrap().broken, None, "put back");
    }
    // Two entries that change places, each with its own hash.
    house.tamper("UPDATE audit SET sequence = -sequence WHERE sequence IN (3, 4)").await;
    house.tamper("UPDATE audit SET sequence = sequence + 7 WHERE sequence < 0").await;
    let swapped = audit.verify(1, None).await.unwrap().broken;
    assert_eq!(swapped, Some(Break { sequence: 3, fault: Fault::Altered }));
    house.tamper("DELETE FROM audit WHERE sequence IN (3, 4)").await;
    let gone = audit.verify(1, None).await.unwrap();
    assert_eq!(
        (gone.broken, gone.checked),
        (Some(Break { sequence: 3, fault: Fault::Missing }), 2)
    );
}

async fn the_end_cannot_be_cut_off(house: House) {
    for n in 1..=4 {
        record(&house, &alice(), n).await;
    }
    let audit = house.ledger.audit();
    let anchor: Head = audit.head().await.unwrap();
    house.tamper("DELETE FROM audit WHERE sequence = 4").await;
    let cut = audit.verify(1, None).await.unwrap();
    assert_eq!(cut.broken, Some(Break { sequence: 4, fault: Fault::Missing }));
    // The end moved along with it is what the copied head is for.
    house.tamper(
        "UPDATE audit_head SET sequence = 3, hash = (SELECT hash FROM audit WHERE sequence = 3)",
    )
    .await;
    assert_eq!(audit.verify(1, None).await.unwrap().broken, None);
    assert_eq!(audit.hash_at(anchor.sequence).await, Ok(None));
    // The end alone moved back.
    house.tamper("UPDATE audit_head SET sequence = 2").await;
    let beyond = audit.verify(1, None).await.unwrap().broken;
    assert_eq!(beyond, Some(Break { sequence: 2, fault: Fault::Beyond }));
    house.tamper("DELETE FROM audit_head").await;
    let none = audit.verify(1, None).await.unwrap().broken;
    assert_eq!(none, Some(Break { sequence: 1, fault: Fault::Beyond }));
}

async fn many_writers_make_one_chain(house: House) {
    let mut writers = Vec::new();
    for writer in 0..8_i64 {
        let ledger = house.ledger.clone();
        writers.push(tokio::spawn(async move {
            let actor = Actor::system(&format!("writer {writer}"));
            for n in 0..10 {
                let object = (Kind::Other, "x");
                ledger
                    .audit()
                    .record(&actor, at(n), "test.do", object, (None, None))
                    .await
                    .unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let whole = house.ledger.audit().verify(1, None).await.unwrap();
    assert_eq!((whole.checked, whole.broken, whole.head.sequence), (80, None, 80));
}

async fn big_sides_are_kept_as_digests(house: House) {
    let big = json!("x".repeat(100_000));
    let bytes = big.to_string();
    let sides = (None, Some(big));
    let audit = house.ledger.audit();
    audit.record(&alice(), at(1), "test.do", (Kind::Other, "x"), sides).await.unwrap();
    let page = audit.list(&AuditFilter::default(), &Paging::default()).await.unwrap();
    let after = page.items[0].after.clone().unwrap();
    assert_eq!(after["bytes"], 100_002);
    assert_eq!(after["sha256"], Digest::of(bytes.as_bytes()).to_string());
    assert_eq!(audit.verify(1, None).await.unwrap().broken, None);
}
