//! Suppressions hide what they were made for, until their time, and never a rise.

use ledger::{AlertChange, AlertFilter, AlertOrder, ErrorKind, NewSuppression, Paging, Suppressed};
use model::{Alert, Level};

use crate::common::{House, alert, alert_id, alice, at, on_both, user};

on_both!(
    it_hides_and_counts_until_its_time,
    a_rise_shows,
    it_reaches_as_far_as_what_is_there,
    lists_and_matching_agree,
    it_must_name_something_and_end,
);

fn new() -> NewSuppression {
    NewSuppression {
        rule_id: None,
        entity: None,
        source: None,
        up_to: Some(Level::Medium),
        until: at(1_000),
        reason: "the scanner".to_owned(),
    }
}

async fn shown(house: &House, suppressed: Suppressed, now: i64) -> Vec<model::AlertId> {
    let filter = AlertFilter { suppressed, ..AlertFilter::default() };
    let paging = Paging::first(100);
    let page = house.ledger.alerts().list(&filter, AlertOrder::Latest, &paging, at(now)).await;
    page.unwrap().items.iter().map(|row| row.alert.alert_id).collect()
}

async fn it_hides_and_counts_until_its_time(house: House) {
    let (alerts, suppressions) = (house.ledger.alerts(), house.ledger.suppressions());
    alerts.upsert(&[alert(1), alert(2)], at(1)).await.unwrap();
    let rule = NewSuppression { rule_id: Some("rule-1".to_owned()), ..new() };
    let made = suppressions.add(&alice(), at(2), &rule).await.unwrap();
    assert_eq!((made.alerts, made.author.as_str()), (1, "alice"));
    assert_eq!(shown(&house, Suppressed::Hidden, 3).await, [alert_id(2)]);
    assert_eq!(shown(&house, Suppressed::Only, 3).await, [alert_id(1)]);
    assert_eq!(shown(&house, Suppressed::Shown, 3).await, [alert_id(2), alert_id(1)]);
    // It is kept and counted meanwhile.
    alerts.upsert(&[Alert { count: 9, ..alert(1) }], at(4)).await.unwrap();
    let row = alerts.get(alert_id(1), at(4)).await.unwrap();
    assert_eq!((row.alert.count, row.suppressed), (9, true));
    let in_force = suppressions.list(true, &Paging::default(), at(999)).await.unwrap();
    assert_eq!(in_force.items.len(), 1);
    assert_eq!(shown(&house, Suppressed::Hidden, 1_000).await.len(), 2);
    assert!(suppressions.list(true, &Paging::default(), at(1_000)).await.unwrap().items.is_empty());
    assert_eq!(
        suppressions.list(false, &Paging::default(), at(1_000)).await.unwrap().items.len(),
        1
    );
    let lifted = suppressions.lift(&alice(), at(5), made.suppression_id).await.unwrap();
    assert_eq!(lifted.lifted_by.as_deref(), Some("alice"));
    assert_eq!(shown(&house, Suppressed::Hidden, 6).await.len(), 2);
}

async fn a_rise_shows(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1), alert(2)], at(1)).await.unwrap();
    let source = NewSuppression { source: Some("linux_sshd".to_owned()), ..new() };
    house.ledger.suppressions().add(&alice(), at(2), &source).await.unwrap();
    assert!(shown(&house, Suppressed::Hidden, 3).await.is_empty());
    alerts.upsert(&[Alert { level: Level::High, ..alert(1) }], at(4)).await.unwrap();
    assert_eq!(shown(&house, Suppressed::Hidden, 5).await, [alert_id(1)]);
    let grave = AlertChange { severity: Some(Some(Level::Critical)), ..AlertChange::default() };
    alerts.change(&alice(), at(6), alert_id(2), None, &grave).await.unwrap();
    assert_eq!(shown(&house, Suppressed::Hidden, 7).await, [alert_id(2), alert_id(1)]);
    // A person's lower level does not bring triage's higher one under it.
    let low = AlertChange { severity: Some(Some(Level::Low)), ..AlertChange::default() };
    alerts.change(&alice(), at(8), alert_id(1), None, &low).await.unwrap();
    assert!(shown(&house, Suppressed::Hidden, 9).await.contains(&alert_id(1)));
}

async fn it_reaches_as_far_as_what_is_there(house: House) {
    let (alerts, suppressions) = (house.ledger.alerts(), house.ledger.suppressions());
    let both = |n, level| Alert { rule_id: "noisy".into(), level, ..alert(n) };
    alerts.upsert(&[both(1, Level::Low), both(2, Level::Medium), alert(3)], at(1)).await.unwrap();
    let made = NewSuppression { rule_id: Some("noisy".to_owned()), up_to: None, ..new() };
    let made = suppressions.add(&alice(), at(2), &made).await.unwrap();
    assert_eq!((made.up_to, made.alerts), (Level::Medium, 2));
    alerts.upsert(&[both(4, Level::High)], at(3)).await.unwrap();
    assert_eq!(shown(&house, Suppressed::Hidden, 4).await, [alert_id(4), alert_id(3)]);
    let empty = NewSuppression { rule_id: Some("unknown".to_owned()), up_to: None, ..new() };
    let empty = suppressions.add(&alice(), at(5), &empty).await.unwrap();
    assert_eq!((empty.up_to, empty.alerts), (Level::Informational, 0));
}

async fn lists_and_matching_agree(house: House) {
    let (alerts, suppressions) = (house.ledger.alerts(), house.ledger.suppressions());
    let mut all = Vec::new();
    for n in 0..24_u64 {
        let rule = format!("rule-{}", n % 2);
        let source = if n % 3 == 0 { "a" } else { "b" };
        let names = if n % 4 == 0 { vec![user("x"), user("y")] } else { vec![user("y")] };
        let level = Level::ALL[n as usize % 5];
        let entity = if n % 5 == 0 { None } else { Some(user("z")) };
        all.push(Alert {
            rule_id: rule.into(),
            source: source.into(),
            entities: names,
            entity,
            level,
            ..alert(n)
        });
    }
    alerts.upsert(&all, at(1)).await.unwrap();
    for bits in 1..8_u32 {
        let some = |bit: u32| (bits & bit != 0).then_some(());
        let made = NewSuppression {
            rule_id: some(1).map(|()| "rule-1".to_owned()),
            entity: some(2).map(|()| user(if bits > 4 { "z" } else { "x" })),
            source: some(4).map(|()| "a".to_owned()),
            up_to: Some(Level::ALL[bits as usize % 5]),
            until: at(100 + i64::from(bits)),
            ..new()
        };
        suppressions.add(&alice(), at(2), &made).await.unwrap();
    }
    for now in 99..110 {
        let hidden = shown(&house, Suppressed::Only, now).await;
        for alert in &all {
            let matching = suppressions.matching(alert, at(now)).await.unwrap();
            let listed = hidden.contains(&alert.alert_id);
            assert_eq!(!matching.is_empty(), listed, "{} at {now}", alert.alert_id);
        }
    }
    assert!(!shown(&house, Suppressed::Only, 99).await.is_empty());
}

async fn it_must_name_something_and_end(house: House) {
    let suppressions = house.ledger.suppressions();
    let named = || NewSuppression { rule_id: Some("r".to_owned()), ..new() };
    let wrong = [
        new(),
        NewSuppression { until: at(2), ..named() },
        NewSuppression { reason: " ".to_owned(), ..named() },
    ];
    for wrong in wrong {
        let refused = suppressions.add(&alice(), at(2), &wrong).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{wrong:?}");
    }
}
