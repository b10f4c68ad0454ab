//! Searches that were given a name: whose they are, who sees them, and that they lead to `/hunt` alone.

use ledger::{
    AuditFilter, ErrorKind, LedgerError, MAX_SEARCHES, NewSearch, NewUser, Paging, Role, Search,
    SearchChange, UserId,
};

use crate::common::{House, alice, at, bob, on_both};

on_both!(
    they_are_ones_own_until_they_are_shown,
    a_name_is_one_search,
    they_lead_to_the_hunt_alone,
    changes_say_on_which_version_and_are_audited,
    nobody_keeps_without_end,
);

async fn person(house: &House, login: &str) -> UserId {
    let new = NewUser {
        login: login.to_owned(),
        name: login.to_uppercase(),
        email: None,
        role: Role::Analyst,
        password: None,
    };
    house.ledger.users().add(&alice(), at(0), &new).await.unwrap().user_id
}

fn new(name: &str) -> NewSearch {
    NewSearch { name: name.to_owned(), address: format!("/hunt?q={name}"), shared: false }
}

async fn seen(house: &House, by: UserId) -> Vec<String> {
    let page = house.ledger.searches().list(by, &Paging::first(500)).await.unwrap();
    page.items.into_iter().map(|search| search.name).collect()
}

async fn they_are_ones_own_until_they_are_shown(house: House) {
    let (ann, ben) = (person(&house, "ann").await, person(&house, "ben").await);
    let searches = house.ledger.searches();
    let one = searches.keep(&alice(), at(1), ann, &new("one")).await.unwrap();
    searches.keep(&bob(), at(2), ben, &new("two")).await.unwrap();
    assert_eq!((one.owner.as_str(), one.owner_id, one.version), ("ann", ann, 1));
    assert_eq!(
        (seen(&house, ann).await, seen(&house, ben).await),
        (vec!["one".into()], vec!["two".into()])
    );
    let show = SearchChange { shared: Some(true), ..SearchChange::default() };
    searches.change(&alice(), at(3), one.search_id, Some(1), &show).await.unwrap();
    assert_eq!(seen(&house, ben).await, ["two", "one"]);
    assert_eq!(seen(&house, ann).await, ["one"]);
    // They come in pages.
    let first = searches.list(ben, &Paging::first(1)).await.unwrap();
    let rest = Paging { after: first.next, ..Paging::first(1) };
    let rest = searches.list(ben, &rest).await.unwrap();
    let names: Vec<&str> = first.items.iter().chain(&rest.items).map(|s| s.name.as_str()).collect();
    assert_eq!((names, rest.next), (vec!["two", "one"], None));
    searches.remove(&alice(), at(4), one.search_id).await.unwrap();
    assert_eq!(seen(&house, ben).await, ["two"]);
    let gone = searches.get(one.search_id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

async fn a_name_is_one_search(house: House) {
    let (ann, ben) = (person(&house, "ann").await, person(&house, "ben").await);
    let searches = house.ledger.searches();
    let first = searches.keep(&alice(), at(1), ann, &new("logins")).await.unwrap();
    let other = NewSearch { address: "/hunt?q=other".into(), ..new(" logins ") };
    let again = searches.keep(&alice(), at(2), ann, &other).await.unwrap();
    let expected =
        Search { address: "/hunt?q=other".into(), changed_at: at(2), version: 2, ..first.clone() };
    assert_eq!(again, expected);
    // Another person's name is another search.
    searches.keep(&bob(), at(3), ben, &new("logins")).await.unwrap();
    let second = searches.keep(&alice(), at(4), ann, &new("files")).await.unwrap();
    let taken = SearchChange { name: Some("logins".into()), ..SearchChange::default() };
    let refused = searches.change(&alice(), at(5), second.search_id, None, &taken).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(seen(&house, ann).await, ["files", "logins"]);
}

async fn they_lead_to_the_hunt_alone(house: House) {
    let ann = person(&house, "ann").await;
    let searches = house.ledger.searches();
    let long = format!("/hunt?q={}", "x".repeat(40_000));
    for address in [
        "",
        "javascript:alert(1)",
        "//evil.example/hunt",
        "/hunting",
        "/hunt/../settings",
        " /hunt",
        "https://evil.example/hunt",
        "/hunt#x",
        "/hunt?q=\n",
        "/hunt?\u{1b}",
        &long,
    ] {
        let new = NewSearch { address: address.to_owned(), ..new("x") };
        let refused = searches.keep(&alice(), at(1), ann, &new).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Invalid { field: "address", .. }), "{address}");
    }
    for address in ["/hunt", "/hunt?", "/hunt?q=user%3Aanna&from=a"] {
        let new = NewSearch { address: address.to_owned(), ..new("x") };
        assert_eq!(searches.keep(&alice(), at(1), ann, &new).await.unwrap().address, address);
    }
}

async fn changes_say_on_which_version_and_are_audited(house: House) {
    let ann = person(&house, "ann").await;
    let searches = house.ledger.searches();
    let kept = searches.keep(&alice(), at(1), ann, &new("one")).await.unwrap();
    let named = |name: &str| SearchChange { name: Some(name.into()), ..SearchChange::default() };
    let changed = searches.change(&alice(), at(2), kept.search_id, Some(1), &named("two")).await;
    assert_eq!(changed.unwrap().version, 2);
    let late = searches.change(&bob(), at(3), kept.search_id, Some(1), &named("three")).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    // The same again is no change.
    let same = searches.change(&bob(), at(3), kept.search_id, None, &named("two")).await.unwrap();
    assert_eq!((same.version, same.changed_at), (2, at(2)));
    searches.remove(&alice(), at(4), kept.search_id).await.unwrap();
    let filter = AuditFilter { action: Some("search.".into()), ..AuditFilter::default() };
    let told = house.ledger.audit().list(&filter, &Paging::first(10)).await.unwrap().items;
    let actions: Vec<_> = told.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["search.remove", "search.change", "search.keep"]);
    assert_eq!(told[1].before.as_ref().unwrap()["name"], "one");
    assert_eq!(told[1].after.as_ref().unwrap()["name"], "two");
}

async fn nobody_keeps_without_end(house: House) {
    let (ann, ben) = (person(&house, "ann").await, person(&house, "ben").await);
    let searches = house.ledger.searches();
    for n in 0..MAX_SEARCHES {
        searches.keep(&alice(), at(1), ann, &new(&n.to_string())).await.unwrap();
    }
    let refused = searches.keep(&alice(), at(2), ann, &new("more")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    searches.keep(&alice(), at(2), ann, &new("7")).await.unwrap();
    searches.keep(&bob(), at(2), ben, &new("more")).await.unwrap();
}
