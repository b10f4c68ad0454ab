//! Incidents: people's decisions survive triage's second thoughts, and merges can be undone.

use ledger::{
    AlertFilter, AlertOrder, ErrorKind, InIncident, IncidentChange, IncidentFilter, IncidentOrder,
    IncidentRow, IncidentStatus, LedgerError, NewIncident, NewTask, On, OwnedBy, Paging,
    TaskChange,
};
use model::{Alert, AlertId, Incident, IncidentId, Level, Micros};

use crate::common::{House, alert, alert_id, alice, at, bob, incident, incident_id, on_both, user};

on_both!(
    decisions_stay_and_words_change,
    what_a_person_says_of_an_alert_wins,
    a_closed_incident_is_read_only,
    a_renamed_incident_keeps_its_name,
    triage_finds_that_two_are_one,
    a_closed_incident_is_never_where_open_work_goes,
    a_merge_is_undone_exactly_after_triage_went_on,
    merges_are_undone_in_any_order,
    a_merged_incident_stays_merged_when_triage_renames_it,
    tasks_and_comments_go_along,
    a_person_opens_one,
    lists_and_timeline,
    words_that_make_no_sense_are_refused,
);

async fn alerts_in(house: &House, id: IncidentId) -> Vec<AlertId> {
    let filter = AlertFilter { incident: InIncident::Is(id), ..AlertFilter::default() };
    let paging = Paging::first(100);
    let page = house.ledger.alerts().list(&filter, AlertOrder::Begun, &paging, at(0)).await;
    page.unwrap().items.iter().rev().map(|row| row.alert.alert_id).collect()
}

fn ids(numbers: &[u64]) -> Vec<AlertId> {
    numbers.iter().map(|n| alert_id(*n)).collect()
}

async fn told(house: &House, incidents: &[(u64, &[u64])], now: i64) {
    let incidents: Vec<_> = incidents.iter().map(|(n, alerts)| incident(*n, alerts)).collect();
    house.ledger.incidents().upsert(&incidents, at(now)).await.unwrap();
}

async fn with_alerts(house: &House, count: u64) {
    let alerts: Vec<Alert> = (1..=count).map(alert).collect();
    house.ledger.alerts().upsert(&alerts, at(0)).await.unwrap();
}

/// All that a person sees of it but the counts of changes.
fn seen(mut row: IncidentRow) -> IncidentRow {
    row.revision = 0;
    row.changed_at = Micros(0);
    row
}

async fn decisions_stay_and_words_change(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 3).await;
    told(&house, &[(1, &[1, 2])], 1).await;
    let change = IncidentChange {
        status: Some(IncidentStatus::Contained),
        owner: Some(Some("alice".to_owned())),
        severity: Some(Some(Level::Low)),
        title: Some(Some("The printer again".to_owned())),
    };
    let row = incidents.change(&alice(), at(2), incident_id(1), Some(0), &change).await.unwrap();
    assert_eq!((row.level, row.version, row.number), (Level::Low, 1, 1));
    let before = row;
    assert_eq!(incidents.upsert(&[incident(1, &[1, 2])], at(3)).await, Ok(0));
    assert_eq!(incidents.get(incident_id(1)).await.unwrap(), before);
    let title = "Something else".to_owned();
    let mut more = Incident { title, ..incident(1, &[1, 2, 3]) };
    assert_eq!(incidents.upsert(&[more.clone()], at(4)).await, Ok(1));
    let row = incidents.get(incident_id(1)).await.unwrap();
    assert_eq!((row.title(), row.told.title.as_str()), ("The printer again", "Something else"));
    assert_eq!((row.status, row.alert_count), (IncidentStatus::Contained, 3));
    assert_eq!((row.level, row.owner.as_deref()), (Level::Low, Some("alice")));
    more.severity = Level::High;
    incidents.upsert(&[more], at(5)).await.unwrap();
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().level, Level::High);
    let late = incidents.change(&bob(), at(6), incident_id(1), Some(0), &change).await.unwrap_err();
    let LedgerError::Conflict { expected: 0, current: 1, now, .. } = late else {
        panic!("{late:?}")
    };
    assert_eq!(now["owner"], "alice");
}

async fn what_a_person_says_of_an_alert_wins(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[1, 2]), (2, &[3])], 1).await;
    let moved = incidents.add_alerts(&alice(), at(2), incident_id(2), &ids(&[2, 4])).await.unwrap();
    assert_eq!(moved.alert_count, 3);
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().alert_count, 1);
    incidents.remove_alerts(&alice(), at(3), incident_id(1), &ids(&[1])).await.unwrap();
    // Triage says otherwise, again and again.
    told(&house, &[(1, &[1, 2, 4]), (2, &[3])], 4).await;
    assert_eq!(alerts_in(&house, incident_id(1)).await, []);
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[2, 3, 4]));
    let row = house.ledger.alerts().get(alert_id(1), at(5)).await.unwrap();
    assert_eq!((row.incident_id, row.pinned), (None, true));
    incidents.release_alerts(&alice(), at(6), &ids(&[1, 4])).await.unwrap();
    assert_eq!(alerts_in(&house, incident_id(1)).await, ids(&[1, 4]));
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().alert_count, 2);
    // A grave alert that a person adds makes the incident grave.
    house
        .ledger
        .alerts()
        .upsert(&[Alert { level: Level::Critical, ..alert(2) }], at(7))
        .await
        .unwrap();
    assert_eq!(incidents.get(incident_id(2)).await.unwrap().level, Level::Critical);
    let stranger = incidents.remove_alerts(&alice(), at(8), incident_id(1), &ids(&[2])).await;
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::Invalid);
    let unknown = incidents.add_alerts(&alice(), at(8), incident_id(1), &ids(&[1, 9])).await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_closed_incident_is_read_only(house: House) {
    let (incidents, id) = (house.ledger.incidents(), incident_id(1));
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[1, 2]), (2, &[3])], 1).await;
    let task = NewTask { title: "Reset the password".to_owned(), assignee: None, due: None };
    let task = house.ledger.tasks().add(&alice(), at(2), id, &task).await.unwrap();
    let comment =
        house.ledger.comments().add(&alice(), at(2), On::Incident(id), "x").await.unwrap();
    let close =
        IncidentChange { status: Some(IncidentStatus::Closed), ..IncidentChange::default() };
    let closed = incidents.change(&alice(), at(3), id, None, &close).await.unwrap();
    assert_eq!(closed.closed.as_ref().map(|c| (c.at, c.count)), Some((at(3), 2)));

    let owner = IncidentChange { owner: Some(Some("bob".to_owned())), ..IncidentChange::default() };
    let new = NewTask { title: "y".to_owned(), assignee: None, due: None };
    let done = TaskChange { done: Some(true), ..TaskChange::default() };
    let (ledger, alice) = (&house.ledger, alice());
    let tried = [
        incidents.change(&alice, at(4), id, None, &owner).await.err(),
        incidents.add_alerts(&alice, at(4), id, &ids(&[4])).await.err(),
        incidents.remove_alerts(&alice, at(4), id, &ids(&[1])).await.err(),
        incidents.add_alerts(&alice, at(4), incident_id(2), &ids(&[1])).await.err(),
        incidents.merge(&alice, at(4), id, incident_id(2)).await.err(),
        incidents.merge(&alice, at(4), incident_id(2), id).await.err(),
        ledger.comments().add(&alice, at(4), On::Incident(id), "y").await.err(),
        ledger.comments().edit(&alice, at(4), comment.comment_id, None, "y").await.err(),
        ledger.tasks().add(&alice, at(4), id, &new).await.err(),
        ledger.tasks().change(&alice, at(4), task.task_id, None, &done).await.err(),
    ];
    for (nth, error) in tried.into_iter().enumerate() {
        assert_eq!(error, Some(LedgerError::Closed { id: id.to_string() }), "try {nth}");
    }
    assert_eq!(incidents.get(id).await.unwrap(), closed);
    // Triage goes on, and it shows.
    told(&house, &[(1, &[1, 2, 4])], 5).await;
    let row = incidents.get(id).await.unwrap();
    assert_eq!((row.status, row.alert_count, row.risen()), (IncidentStatus::Closed, 3, true));
    let open = incidents.reopen(&bob(), at(6), id, Some(1)).await.unwrap();
    assert_eq!((open.status, open.risen()), (IncidentStatus::InProgress, false));
    incidents.change(&alice, at(7), id, Some(2), &owner).await.unwrap();
}

async fn a_renamed_incident_keeps_its_name(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[2, 3])], 1).await;
    let change =
        IncidentChange { owner: Some(Some("alice".to_owned())), ..IncidentChange::default() };
    incidents.change(&alice(), at(2), incident_id(1), None, &change).await.unwrap();
    // An earlier alert comes to light: triage calls it incident 7 now, and then 8.
    told(&house, &[(7, &[1, 2, 3])], 3).await;
    let row = incidents.get(incident_id(1)).await.unwrap();
    assert_eq!((row.owner.as_deref(), row.number, row.alert_count), (Some("alice"), 1, 3));
    assert_eq!(row.title(), "Incident 7");
    assert_eq!(incidents.get(incident_id(7)).await.unwrap().merged_into, Some(incident_id(1)));
    told(&house, &[(8, &[1, 2, 3, 4])], 4).await;
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().title(), "Incident 8");
    assert_eq!(alerts_in(&house, incident_id(1)).await, ids(&[1, 2, 3, 4]));
    let filter = IncidentFilter::default();
    let all = incidents.list(&filter, IncidentOrder::Latest, &Paging::default()).await.unwrap();
    assert_eq!(all.items.iter().map(|i| i.incident_id).collect::<Vec<_>>(), [incident_id(1)]);
    let merges = incidents.merges(incident_id(7)).await.unwrap();
    assert!(merges.iter().all(|merge| merge.by_machine && merge.by == "triage"));
}

async fn triage_finds_that_two_are_one(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[1, 2]), (2, &[3, 4])], 1).await;
    let change =
        IncidentChange { owner: Some(Some("bob".to_owned())), ..IncidentChange::default() };
    incidents.change(&bob(), at(2), incident_id(2), None, &change).await.unwrap();
    let two = incidents.get(incident_id(2)).await.unwrap();
    told(&house, &[(1, &[1, 2, 3, 4])], 3).await;
    assert_eq!(incidents.get(incident_id(2)).await.unwrap().merged_into, Some(incident_id(1)));
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().alert_count, 4);
    // A person knows better: the merge is undone and the alerts are put back by hand.
    let merge = incidents.merges(incident_id(2)).await.unwrap()[0].clone();
    assert!(merge.by_machine);
    incidents.undo_merge(&alice(), at(4), merge.merge_id).await.unwrap();
    incidents.add_alerts(&alice(), at(5), incident_id(2), &ids(&[3, 4])).await.unwrap();
    told(&house, &[(1, &[1, 2, 3, 4])], 6).await;
    let back = incidents.get(incident_id(2)).await.unwrap();
    assert_eq!((back.owner, back.alert_count), (two.owner, 2));
    let again = incidents.undo_merge(&alice(), at(7), merge.merge_id).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
}

async fn a_closed_incident_is_never_where_open_work_goes(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[1, 2]), (2, &[3, 4])], 1).await;
    let close =
        IncidentChange { status: Some(IncidentStatus::Closed), ..IncidentChange::default() };
    incidents.change(&bob(), at(2), incident_id(1), None, &close).await.unwrap();
    told(&house, &[(1, &[1, 2, 3, 4])], 3).await;
    let open = incidents.get(incident_id(2)).await.unwrap();
    assert_eq!((open.status, open.alert_count), (IncidentStatus::New, 4));
    assert_eq!(open.title(), "Incident 1");
    let closed = incidents.get(incident_id(1)).await.unwrap();
    assert_eq!((closed.status, closed.merged_into), (IncidentStatus::Closed, Some(incident_id(2))));
}

async fn a_merge_is_undone_exactly_after_triage_went_on(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 6).await;
    told(&house, &[(1, &[1, 2]), (2, &[3])], 1).await;
    let of = |name: &str| IncidentChange {
        owner: Some(Some(name.to_owned())),
        title: Some(Some(format!("{name}'s"))),
        status: Some(IncidentStatus::InProgress),
        severity: Some(Some(Level::High)),
    };
    incidents.change(&alice(), at(2), incident_id(1), None, &of("alice")).await.unwrap();
    incidents.change(&bob(), at(2), incident_id(2), None, &of("bob")).await.unwrap();
    // What there would be, had nobody merged.
    let (one, two) = (&[(1, &[1, 2, 5][..]), (2, &[3, 6])], &[(1, &[1, 2][..]), (2, &[3])]);
    told(&house, one, 3).await;
    let expected = [incident_id(1), incident_id(2)];
    let expected = [
        seen(incidents.get(expected[0]).await.unwrap()),
        seen(incidents.get(expected[1]).await.unwrap()),
    ];
    told(&house, two, 4).await;

    let merge = incidents.merge(&alice(), at(5), incident_id(1), incident_id(2)).await.unwrap();
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[1, 2, 3]));
    let target = incidents.get(incident_id(2)).await.unwrap();
    assert_eq!((target.alert_count, target.title()), (3, "bob's"));
    let refused =
        incidents.change(&alice(), at(6), incident_id(1), None, &of("x")).await.unwrap_err();
    let into = incident_id(2).to_string();
    assert_eq!(refused, LedgerError::Merged { id: incident_id(1).to_string(), into });
    told(&house, one, 7).await;
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[1, 2, 3, 5, 6]));

    let undone = incidents.undo_merge(&bob(), at(8), merge.merge_id).await.unwrap();
    assert_eq!((undone.undone_by.as_deref(), undone.undone_at), (Some("bob"), Some(at(8))));
    assert_eq!(alerts_in(&house, incident_id(1)).await, ids(&[1, 2, 5]));
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[3, 6]));
    assert_eq!(seen(incidents.get(incident_id(1)).await.unwrap()), expected[0]);
    assert_eq!(seen(incidents.get(incident_id(2)).await.unwrap()), expected[1]);
}

async fn merges_are_undone_in_any_order(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 3).await;
    told(&house, &[(1, &[1]), (2, &[2]), (3, &[3])], 1).await;
    let [a, b, c] = [1, 2, 3].map(incident_id);
    let first = incidents.merge(&alice(), at(2), a, b).await.unwrap();
    let second = incidents.merge(&alice(), at(3), b, c).await.unwrap();
    assert_eq!(incidents.get(c).await.unwrap().alert_count, 3);
    let self_merge = incidents.merge(&alice(), at(3), c, c).await.unwrap_err();
    assert_eq!(self_merge.kind(), ErrorKind::Invalid);
    assert_eq!(incidents.merge(&alice(), at(3), c, a).await.unwrap_err().kind(), ErrorKind::Closed);
    incidents.undo_merge(&alice(), at(4), first.merge_id).await.unwrap();
    assert_eq!(alerts_in(&house, a).await, ids(&[1]));
    assert_eq!(alerts_in(&house, c).await, ids(&[2, 3]));
    incidents.undo_merge(&alice(), at(5), second.merge_id).await.unwrap();
    for (n, id) in [(1, a), (2, b), (3, c)] {
        assert_eq!(alerts_in(&house, id).await, ids(&[n]));
        assert_eq!(incidents.get(id).await.unwrap().alert_count, 1);
    }
    // What lies inside a closed one stays until that is opened again.
    let third = incidents.merge(&alice(), at(6), a, b).await.unwrap();
    let close =
        IncidentChange { status: Some(IncidentStatus::Closed), ..IncidentChange::default() };
    incidents.change(&alice(), at(7), b, None, &close).await.unwrap();
    let refused = incidents.undo_merge(&alice(), at(8), third.merge_id).await.unwrap_err();
    assert_eq!(refused, LedgerError::Closed { id: b.to_string() });
}

async fn a_merged_incident_stays_merged_when_triage_renames_it(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 4).await;
    told(&house, &[(1, &[2]), (2, &[3])], 1).await;
    let merge = incidents.merge(&alice(), at(2), incident_id(1), incident_id(2)).await.unwrap();
    told(&house, &[(7, &[1, 2])], 3).await;
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[1, 2, 3]));
    incidents.undo_merge(&alice(), at(4), merge.merge_id).await.unwrap();
    assert_eq!(alerts_in(&house, incident_id(1)).await, ids(&[1, 2]));
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().title(), "Incident 7");
    assert_eq!(alerts_in(&house, incident_id(2)).await, ids(&[3]));
}

async fn tasks_and_comments_go_along(house: House) {
    let (incidents, tasks) = (house.ledger.incidents(), house.ledger.tasks());
    let comments = house.ledger.comments();
    with_alerts(&house, 2).await;
    told(&house, &[(1, &[1]), (2, &[2])], 1).await;
    let new = NewTask {
        title: "Isolate ws-114".to_owned(),
        assignee: Some("bob".to_owned()),
        due: Some(at(600)),
    };
    let task = tasks.add(&alice(), at(2), incident_id(1), &new).await.unwrap();
    comments.add(&alice(), at(2), On::Incident(incident_id(1)), "first").await.unwrap();
    incidents.merge(&alice(), at(3), incident_id(1), incident_id(2)).await.unwrap();
    assert_eq!(tasks.list(incident_id(2)).await.unwrap(), std::slice::from_ref(&task));
    let there = comments.list(On::Incident(incident_id(2)), &Paging::default()).await.unwrap();
    assert_eq!(there.items.len(), 1);
    let done = TaskChange { done: Some(true), ..TaskChange::default() };
    let task = tasks.change(&bob(), at(4), task.task_id, Some(1), &done).await.unwrap();
    assert_eq!((task.done_by.as_deref(), task.done_at), (Some("bob"), Some(at(4))));
    let late = tasks.change(&bob(), at(5), task.task_id, Some(1), &done).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let refused = tasks.add(&alice(), at(5), incident_id(1), &new).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    let merge = incidents.merges(incident_id(1)).await.unwrap()[0].merge_id;
    incidents.undo_merge(&alice(), at(6), merge).await.unwrap();
    assert_eq!(tasks.list(incident_id(1)).await.unwrap(), [task]);
    assert!(tasks.list(incident_id(2)).await.unwrap().is_empty());
}

async fn a_person_opens_one(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 2).await;
    told(&house, &[(1, &[1])], 1).await;
    let new = NewIncident {
        title: "A call from the bank".to_owned(),
        severity: Level::High,
        alerts: ids(&[1, 2]),
    };
    let one = incidents.open(&alice(), at(2), &new).await.unwrap();
    assert_eq!((one.alert_count, one.level, one.number, one.by_hand), (2, Level::High, 2, true));
    assert_eq!(one.title(), "A call from the bank");
    let new = NewIncident { alerts: Vec::new(), ..new };
    let two = incidents.open(&alice(), at(3), &new).await.unwrap();
    assert_ne!(one.incident_id, two.incident_id);
    let text = IncidentFilter { text: Some("BANK #3".to_owned()), ..IncidentFilter::default() };
    let found = incidents.list(&text, IncidentOrder::Gravest, &Paging::default()).await.unwrap();
    assert_eq!(found.items, [two]);
    // Triage's is empty now, and nobody wrote to it but to take its alert.
    assert_eq!(incidents.get(incident_id(1)).await.unwrap().alert_count, 0);
}

async fn lists_and_timeline(house: House) {
    let incidents = house.ledger.incidents();
    let mut all: Vec<Alert> = (1..=9).map(alert).collect();
    all[4].entities.push(user("mallory"));
    house.ledger.alerts().upsert(&all, at(0)).await.unwrap();
    let mut said: Vec<_> = (1..=9).map(|n| incident(n, &[n])).collect();
    said[1].severity = Level::Critical;
    incidents.upsert(&said, at(1)).await.unwrap();
    let take = IncidentChange { owner: Some(Some("bob".to_owned())), ..IncidentChange::default() };
    incidents.change(&bob(), at(2), incident_id(3), None, &take).await.unwrap();
    let none = IncidentFilter::default;
    let cases: Vec<(IncidentFilter, &[u64])> = vec![
        (none(), &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (IncidentFilter { owner: OwnedBy::Person("bob".to_owned()), ..none() }, &[3]),
        (IncidentFilter { level: Some(Level::High), ..none() }, &[2]),
        (IncidentFilter { entity: Some(user("mallory")), ..none() }, &[5]),
        (IncidentFilter { statuses: vec![IncidentStatus::Closed], ..none() }, &[]),
        (IncidentFilter { from: Some(at(8)), ..none() }, &[9, 8]),
        (IncidentFilter { to: Some(at(2)), ..none() }, &[1]),
    ];
    for (filter, expected) in cases {
        let mut paging = Paging::first(2);
        let mut got = Vec::new();
        loop {
            let page = incidents.list(&filter, IncidentOrder::Latest, &paging).await.unwrap();
            got.extend(page.items.iter().map(|row| row.incident_id));
            let Some(next) = page.next else { break };
            paging.after = Some(next);
        }
        let expected: Vec<_> = expected.iter().map(|n| incident_id(*n)).collect();
        assert_eq!(got, expected, "{filter:?}");
    }
    let grave = incidents.list(&none(), IncidentOrder::Gravest, &Paging::first(1)).await.unwrap();
    assert_eq!(grave.items[0].incident_id, incident_id(2));

    incidents.merge(&alice(), at(3), incident_id(3), incident_id(4)).await.unwrap();
    let timeline = incidents.timeline(incident_id(4), &Paging::default()).await.unwrap();
    let actions: Vec<_> = timeline.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["incident.absorb", "incident.merge", "incident.change"]);
    assert_eq!(timeline.items[2].after, Some(serde_json::json!({ "owner": "bob" })));
}

async fn words_that_make_no_sense_are_refused(house: House) {
    let incidents = house.ledger.incidents();
    with_alerts(&house, 2).await;
    for wrong in [vec![incident(1, &[1, 9])], vec![incident(1, &[1]), incident(2, &[1, 2])]] {
        let refused = incidents.upsert(&wrong, at(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    let gone = incidents.get(incident_id(1)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
