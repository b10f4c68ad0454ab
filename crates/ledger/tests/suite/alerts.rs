//! Alerts: what triage says never overwrites what people decided, and lists show what was asked for.

use ledger::{
    AlertChange, AlertFilter, AlertOrder, AlertState, AlertStatus, Conclusions, ErrorKind,
    InIncident, LedgerError, On, OwnedBy, Paging, Resolution, RuleFacet,
};
use model::{Alert, Entity, EntityKind, Level};

use crate::common::{House, alert, alert_id, alice, at, bob, incident, incident_id, on_both, user};

on_both!(
    saying_it_again_changes_nothing,
    decisions_stay_and_words_change,
    a_conflict_tells_what_is_there,
    a_rise_is_not_hidden_by_a_persons_level,
    a_closed_alert_shows_that_more_came,
    filters_leave_what_they_say,
    pages_hold_every_row_once_while_rows_come,
    facets_count_as_though_their_own_filter_were_not,
    a_bulk_action_has_a_result_for_each,
    text_from_evidence_is_stored_whatever_it_holds,
    comments_keep_what_they_said,
    what_triage_takes_back_hands_its_decisions_on,
);

async fn saying_it_again_changes_nothing(house: House) {
    let alerts = house.ledger.alerts();
    let said = [alert(1), alert(2)];
    assert_eq!(alerts.upsert(&said, at(10)).await, Ok(2));
    let before = alerts.get(alert_id(1), at(10)).await.unwrap();
    assert_eq!(alerts.upsert(&said, at(20)).await, Ok(0));
    assert_eq!(alerts.get(alert_id(1), at(20)).await.unwrap(), before);
    assert_eq!(before.alert, said[0]);
}

async fn decisions_stay_and_words_change(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1)], at(10)).await.unwrap();
    let change = AlertChange {
        status: Some(AlertStatus::InProgress),
        owner: Some(Some(" alice ".to_owned())),
        severity: Some(Some(Level::High)),
    };
    alerts.change(&alice(), at(11), alert_id(1), Some(0), &change).await.unwrap();
    let more = Alert {
        count: 7,
        last_time: at(50),
        entities: vec![user("user-1"), user("mallory")],
        ..alert(1)
    };
    assert_eq!(alerts.upsert(std::slice::from_ref(&more), at(60)).await, Ok(1));
    let row = alerts.get(alert_id(1), at(60)).await.unwrap();
    assert_eq!(row.alert, more);
    assert_eq!(row.status, AlertStatus::InProgress);
    assert_eq!(row.owner.as_deref(), Some("alice"));
    assert_eq!((row.severity, row.level), (Some(Level::High), Level::High));
    assert_eq!((row.version, row.created_at, row.changed_at), (1, at(10), at(60)));
    let found = AlertFilter { entity: Some(user("mallory")), ..AlertFilter::default() };
    let page = alerts.list(&found, AlertOrder::Latest, &Paging::default(), at(60)).await.unwrap();
    assert_eq!(page.items, [row]);
}

async fn a_conflict_tells_what_is_there(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1)], at(1)).await.unwrap();
    let mine = AlertChange { owner: Some(Some("alice".to_owned())), ..AlertChange::default() };
    let theirs = AlertChange { owner: Some(Some("bob".to_owned())), ..AlertChange::default() };
    alerts.change(&bob(), at(2), alert_id(1), Some(0), &theirs).await.unwrap();
    // Triage's words are no decision: they spoil nobody's.
    alerts.upsert(&[Alert { count: 2, ..alert(1) }], at(3)).await.unwrap();
    let lost = alerts.change(&alice(), at(4), alert_id(1), Some(0), &mine).await.unwrap_err();
    let LedgerError::Conflict { expected: 0, current: 1, now, .. } = &lost else {
        panic!("{lost:?}");
    };
    assert_eq!(now["owner"], "bob");
    assert_eq!(now["alert"]["count"], 2);
    assert_eq!(alerts.get(alert_id(1), at(4)).await.unwrap().owner.as_deref(), Some("bob"));
    alerts.change(&alice(), at(5), alert_id(1), Some(1), &mine).await.unwrap();
    let missing = alerts.change(&alice(), at(6), alert_id(9), None, &mine).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

async fn a_rise_is_not_hidden_by_a_persons_level(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1)], at(1)).await.unwrap();
    let low = AlertChange { severity: Some(Some(Level::Low)), ..AlertChange::default() };
    let row = alerts.change(&alice(), at(2), alert_id(1), None, &low).await.unwrap();
    assert_eq!(row.level, Level::Low);
    alerts.upsert(&[Alert { count: 2, ..alert(1) }], at(3)).await.unwrap();
    assert_eq!(alerts.get(alert_id(1), at(3)).await.unwrap().level, Level::Low);
    let risen = Alert { level: Level::Critical, ..alert(1) };
    alerts.upsert(&[risen], at(4)).await.unwrap();
    let row = alerts.get(alert_id(1), at(4)).await.unwrap();
    assert_eq!((row.level, row.severity), (Level::Critical, Some(Level::Low)));
    // Who has seen that says so again.
    let row = alerts.change(&alice(), at(5), alert_id(1), None, &low).await.unwrap();
    assert_eq!((row.level, row.version), (Level::Low, 2));
    let back = AlertChange { severity: Some(None), ..AlertChange::default() };
    let row = alerts.change(&alice(), at(6), alert_id(1), None, &back).await.unwrap();
    assert_eq!((row.level, row.severity), (Level::Critical, None));
}

async fn a_closed_alert_shows_that_more_came(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1)], at(1)).await.unwrap();
    let status = Some(AlertStatus::Closed(Resolution::Benign));
    let close = AlertChange { status, ..AlertChange::default() };
    let row = alerts.change(&alice(), at(2), alert_id(1), None, &close).await.unwrap();
    assert!(!row.risen());
    alerts.upsert(&[Alert { count: 5, ..alert(1) }], at(3)).await.unwrap();
    let row = alerts.get(alert_id(1), at(3)).await.unwrap();
    assert!(row.risen());
    assert_eq!(row.status, AlertStatus::Closed(Resolution::Benign));
    let closed = row.closed.unwrap();
    assert_eq!((closed.by.as_str(), closed.count, closed.at), ("alice", 1, at(2)));
    let open = AlertChange { status: Some(AlertStatus::InProgress), ..AlertChange::default() };
    let row = alerts.change(&alice(), at(4), alert_id(1), None, &open).await.unwrap();
    assert_eq!((row.closed.clone(), row.risen()), (None, false));
}

async fn filters_leave_what_they_say(house: House) {
    let alerts = house.ledger.alerts();
    let mut all: Vec<Alert> = (1..=6).map(alert).collect();
    all[1].level = Level::High;
    all[2].rule_title = "Über 100% of A_B\\C".into();
    all[3].source = "okta_system".into();
    all[4].first_time = at(-500);
    all[4].entities.push(Entity::new(EntityKind::Host, "DC-01"));
    alerts.upsert(&all, at(10)).await.unwrap();
    house.ledger.incidents().upsert(&[incident(1, &[2, 3])], at(10)).await.unwrap();
    let owned = AlertChange {
        owner: Some(Some("alice".to_owned())),
        status: Some(AlertStatus::Closed(Resolution::Duplicate)),
        ..AlertChange::default()
    };
    alerts.change(&alice(), at(11), alert_id(6), None, &owned).await.unwrap();
    let none = AlertFilter::default;
    let cases: Vec<(&str, AlertFilter, &[u64])> = vec![
        ("all", none(), &[6, 5, 4, 3, 2, 1]),
        ("states", AlertFilter { states: vec![AlertState::Closed], ..none() }, &[6]),
        (
            "two states",
            AlertFilter { states: vec![AlertState::Closed, AlertState::InProgress], ..none() },
            &[6],
        ),
        ("nobody's", AlertFilter { owner: OwnedBy::Nobody, ..none() }, &[5, 4, 3, 2, 1]),
        ("alice's", AlertFilter { owner: OwnedBy::Person("alice".into()), ..none() }, &[6]),
        ("grave", AlertFilter { level: Some(Level::High), ..none() }, &[2]),
        ("rule", AlertFilter { rule: Some("rule-5".into()), ..none() }, &[5]),
        ("source", AlertFilter { source: Some("okta_system".into()), ..none() }, &[4]),
        (
            "entity",
            AlertFilter { entity: Some(Entity::new(EntityKind::Host, "dc-01")), ..none() },
            &[5],
        ),
        ("text", AlertFilter { text: Some("ÜBER 100%".into()), ..none() }, &[3]),
        ("literal", AlertFilter { text: Some("a_b\\c".into()), ..none() }, &[3]),
        ("no wildcard", AlertFilter { text: Some("1__%".into()), ..none() }, &[]),
        ("injection", AlertFilter { text: Some("' OR 1=1 --".into()), ..none() }, &[]),
        ("from", AlertFilter { from: Some(at(5)), ..none() }, &[6, 5]),
        ("to", AlertFilter { to: Some(at(2)), ..none() }, &[5, 1]),
        ("in", AlertFilter { incident: InIncident::Is(incident_id(1)), ..none() }, &[3, 2]),
        ("alone", AlertFilter { incident: InIncident::None, ..none() }, &[6, 5, 4, 1]),
    ];
    for (name, filter, expected) in cases {
        let page =
            alerts.list(&filter, AlertOrder::Latest, &Paging::first(100), at(20)).await.unwrap();
        let got: Vec<_> = page.items.iter().map(|row| row.alert.alert_id).collect();
        let expected: Vec<_> = expected.iter().map(|n| alert_id(*n)).collect();
        assert_eq!(got, expected, "{name}");
        let facets = alerts.facets(&filter, at(20)).await.unwrap();
        assert_eq!(facets.total, expected.len() as u64, "{name}");
    }
}

async fn pages_hold_every_row_once_while_rows_come(house: House) {
    let alerts = house.ledger.alerts();
    let grave = |n: u64| if n.is_multiple_of(3) { Level::High } else { Level::Low };
    // Many have one time, so that the id decides.
    let one = |n: u64| Alert { level: grave(n), last_time: at((n / 5) as i64), ..alert(n) };
    let first: Vec<Alert> = (0..40).map(one).collect();
    alerts.upsert(&first, at(1)).await.unwrap();
    let filter = AlertFilter::default();
    for order in [AlertOrder::Latest, AlertOrder::Begun, AlertOrder::Gravest, AlertOrder::Riskiest]
    {
        let whole = alerts.list(&filter, order, &Paging::first(500), at(2)).await.unwrap();
        let mut paging = Paging::first(7);
        let mut seen = Vec::new();
        loop {
            let page = alerts.list(&filter, order, &paging, at(2)).await.unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            // The cursor goes through a URL.
            paging.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, whole.items, "{order:?}");
    }
    // A new one at the top moves nothing on the second page.
    let page = |after| Paging { limit: Some(10), after };
    let one_page = alerts.list(&filter, AlertOrder::Latest, &page(None), at(3)).await.unwrap();
    let second = page(one_page.next);
    let before = alerts.list(&filter, AlertOrder::Latest, &second, at(3)).await.unwrap();
    alerts.upsert(&[Alert { last_time: at(900), ..alert(99) }], at(4)).await.unwrap();
    let after = alerts.list(&filter, AlertOrder::Latest, &second, at(4)).await.unwrap();
    assert_eq!(before, after);
    let foreign = alerts.list(&filter, AlertOrder::Gravest, &second, at(4)).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Invalid);
    for limit in [0, 501] {
        let asked = alerts.list(&filter, AlertOrder::Latest, &Paging::first(limit), at(4)).await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

async fn facets_count_as_though_their_own_filter_were_not(house: House) {
    let alerts = house.ledger.alerts();
    let mut all: Vec<Alert> = (1..=5).map(alert).collect();
    all[0].level = Level::High;
    all[4].rule_id = "rule-4".into();
    alerts.upsert(&all, at(10)).await.unwrap();
    let take = AlertChange {
        status: Some(AlertStatus::InProgress),
        owner: Some(Some("alice".to_owned())),
        ..AlertChange::default()
    };
    for n in [1, 2] {
        alerts.change(&alice(), at(11), alert_id(n), None, &take).await.unwrap();
    }
    let filter = AlertFilter { states: vec![AlertState::InProgress], ..AlertFilter::default() };
    let facets = alerts.facets(&filter, at(12)).await.unwrap();
    assert_eq!(facets.total, 2);
    assert_eq!(facets.states, [(AlertState::New, 3), (AlertState::InProgress, 2)]);
    assert_eq!(facets.levels, [(Level::High, 1), (Level::Medium, 1)]);
    assert_eq!(facets.owners, [(Some("alice".to_owned()), 2)]);
    assert_eq!(facets.rules.len(), 2);
    let facets = alerts.facets(&AlertFilter::default(), at(12)).await.unwrap();
    assert_eq!(facets.owners, [(None, 3), (Some("alice".to_owned()), 2)]);
    let (rule_id, title) = ("rule-4".to_owned(), "Title 5".to_owned());
    assert_eq!(facets.rules[0], RuleFacet { rule_id, title, count: 2 });
}

async fn a_bulk_action_has_a_result_for_each(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1), alert(2), alert(3)], at(1)).await.unwrap();
    let take = AlertChange { owner: Some(Some("bob".to_owned())), ..AlertChange::default() };
    alerts.change(&bob(), at(2), alert_id(2), None, &take).await.unwrap();
    let status = Some(AlertStatus::Closed(Resolution::FalsePositive));
    let close = AlertChange { status, ..AlertChange::default() };
    let items =
        [(alert_id(1), Some(0)), (alert_id(2), Some(0)), (alert_id(9), None), (alert_id(3), None)];
    let done = alerts.change_many(&alice(), at(3), &items, &close).await.unwrap();
    let kinds: Vec<_> = done.iter().map(|(_, r)| r.as_ref().err().map(LedgerError::kind)).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict), Some(ErrorKind::NotFound), None]);
    let filter = AlertFilter { states: vec![AlertState::Closed], ..AlertFilter::default() };
    assert_eq!(alerts.facets(&filter, at(4)).await.unwrap().total, 2);
    let filter = ledger::AuditFilter::default();
    let trail = house.ledger.audit().list(&filter, &Paging::default()).await.unwrap();
    let by_alice = trail.items.iter().filter(|e| e.actor == alice()).count();
    assert_eq!(by_alice, 2);
    let many = vec![(alert_id(1), None); ledger::MAX_BULK + 1];
    let refused = alerts.change_many(&alice(), at(5), &many, &close).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

async fn text_from_evidence_is_stored_whatever_it_holds(house: House) {
    let alerts = house.ledger.alerts();
    let url = Entity::new(EntityKind::Url, &format!("http://x.example/{}\0", "é%".repeat(20_000)));
    let other = Entity::new(EntityKind::Url, &format!("{}x", url.value));
    let hostile = Alert {
        rule_id: "r".repeat(5_000).into(),
        rule_title: "'; DROP TABLE alerts; --\0".into(),
        entity: Some(url.clone()),
        entities: vec![url.clone()],
        risk: u32::MAX,
        count: u64::MAX,
        ..alert(1)
    };
    alerts.upsert(std::slice::from_ref(&hostile), at(1)).await.unwrap();
    let row = alerts.get(alert_id(1), at(1)).await.unwrap();
    assert_eq!(row.alert, hostile);
    let about = |entity| AlertFilter { entity: Some(entity), ..AlertFilter::default() };
    assert_eq!(alerts.facets(&about(url), at(1)).await.unwrap().total, 1);
    assert_eq!(alerts.facets(&about(other), at(1)).await.unwrap().total, 0);
    let rule = Some("r".repeat(5_000));
    let found =
        alerts.facets(&AlertFilter { rule, ..AlertFilter::default() }, at(1)).await.unwrap();
    assert_eq!(found.total, 1);
}

async fn comments_keep_what_they_said(house: House) {
    let comments = house.ledger.comments();
    house.ledger.alerts().upsert(&[alert(1)], at(1)).await.unwrap();
    let on = On::Alert(alert_id(1));
    let typed = "**who** is this?\r\n\n<script>alert(1)</script>  ";
    let first = comments.add(&alice(), at(2), on, typed).await.unwrap();
    assert_eq!((first.body.as_str(), first.author.as_str()), (typed, "alice"));
    let second = comments.add(&bob(), at(3), on, "the scanner").await.unwrap();
    let id = first.comment_id;
    let edited = comments.edit(&alice(), at(4), id, Some(1), "who was this?").await.unwrap();
    assert_eq!((edited.version, edited.edited_at), (2, Some(at(4))));
    let late = comments.edit(&alice(), at(5), id, Some(1), "late").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let page = comments.list(on, &Paging::default()).await.unwrap();
    assert_eq!(page.items, [second, edited]);
    let history = comments.history(id).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].body.as_str(), history[0].version), (typed, 1));
    let nowhere = comments.add(&alice(), at(6), On::Alert(alert_id(9)), "x").await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    assert!(comments.add(&alice(), at(6), on, " \n").await.is_err());
    let row = house.ledger.alerts().get(alert_id(1), at(7)).await.unwrap();
    assert_eq!((row.version, row.revision), (0, 4));
}

async fn what_triage_takes_back_hands_its_decisions_on(house: House) {
    let alerts = house.ledger.alerts();
    alerts.upsert(&[alert(1), alert(2), alert(3), alert(4)], at(10)).await.unwrap();
    let change = AlertChange {
        status: Some(AlertStatus::Closed(Resolution::Benign)),
        owner: Some(Some("alice".to_owned())),
        severity: None,
    };
    for id in [1, 3] {
        alerts.change(&alice(), at(11), alert_id(id), None, &change).await.unwrap();
    }
    house.ledger.comments().add(&bob(), at(12), On::Alert(alert_id(1)), "seen").await.unwrap();
    let gone = [(alert_id(1), Some(alert_id(2))), (alert_id(3), None), (alert_id(4), None)];
    let said = Conclusions { retracted: &gone, ..Conclusions::default() };
    house.ledger.conclude(&said, at(13)).await.unwrap();
    // Saying it again, after a crash, is no harm.
    house.ledger.conclude(&said, at(14)).await.unwrap();
    let get = async |id| alerts.get(alert_id(id), at(15)).await;
    assert_eq!(get(1).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(get(4).await.unwrap_err().kind(), ErrorKind::NotFound);
    let heir = get(2).await.unwrap();
    assert_eq!(heir.status, AlertStatus::Closed(Resolution::Benign));
    assert_eq!((heir.owner.as_deref(), heir.version), (Some("alice"), 1));
    let comments = house.ledger.comments();
    let written = comments.list(On::Alert(alert_id(2)), &Paging::default()).await.unwrap();
    assert_eq!(written.items.len(), 1);
    // What a person worked on is not thrown away.
    assert_eq!(get(3).await.unwrap().owner.as_deref(), Some("alice"));
}
