//! The hand-kept table of columns, held against the schema.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ocsf::{COLUMNS, Column, Kind, Type, class, classes, column, column_named, resolve};

fn kind_of(ty: Type, list: bool) -> Kind {
    match (ty, ty.base()) {
        _ if list => Kind::Json,
        (Type::Timestamp, _) => Kind::Time,
        (_, Type::Integer) => Kind::Int,
        (_, Type::Long) => Kind::Long,
        (_, Type::Float) => Kind::Double,
        (_, Type::Boolean) => Kind::Bool,
        (_, Type::Json | Type::Object(_)) => Kind::Json,
        _ => Kind::Text,
    }
}

#[test]
fn every_column_is_a_path_of_some_class_and_of_its_kind() {
    for column in COLUMNS {
        let found: Vec<_> = classes().iter().filter_map(|c| resolve(c, column.path)).collect();
        assert!(!found.is_empty(), "{}: no class has it", column.path);
        for at in &found {
            let kind = kind_of(at.attribute.ty, at.list);
            assert_eq!(kind, column.kind, "{}", column.path);
            assert!(!at.fanned, "{}: a column holds one value", column.path);
            if let Some(id) = column.observable {
                assert_eq!(at.attribute.observable(), Some(id), "{}", column.path);
            }
        }
        assert!(found.iter().any(|at| !at.deprecated), "{}: deprecated", column.path);
        assert!(column.observable.is_none() || column.kind == Kind::Text, "{}", column.path);
        let is_text = found.iter().all(|at| at.attribute.ty.base() == Type::Text);
        assert!(column.entity.is_none() || is_text, "{}", column.path);
        assert!(column.kind != Kind::Json || !column.pivot, "{}", column.path);
    }
}

#[test]
fn names_follow_from_paths() {
    for column in COLUMNS {
        let mut name = column.path.replace("[0]", "");
        while let Some((before, rest)) = name.split_once('[') {
            let (algorithm, rest) = rest.split_once("].value").expect("only hashes are chosen");
            name = format!("{before}_{}{rest}", algorithm.replace('-', ""));
        }
        assert_eq!(column.name, name.replace('.', "_"));
    }
}

#[test]
fn the_table_is_in_order_and_says_nothing_twice() {
    let core: Vec<_> = COLUMNS[..10].iter().map(|c| c.name).collect();
    assert_eq!(
        core,
        "time class_uid class_name category_uid category_name activity_id activity_name type_uid \
         severity_id severity"
            .split(' ')
            .collect::<Vec<_>>()
    );
    let paths: Vec<_> = COLUMNS[10..].iter().map(|c| c.path).collect();
    assert!(paths.windows(2).all(|pair| pair[0] < pair[1]));
    let mut names: Vec<_> = COLUMNS.iter().map(|c| c.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    for (id, c) in Column::all() {
        assert_eq!(column(c.path), Some(id));
        assert_eq!(column_named(c.name), Some(id));
        assert_eq!(id.get().name, c.name);
    }
    let by_kind: usize =
        [Kind::Text, Kind::Int, Kind::Long, Kind::Double, Kind::Bool, Kind::Time, Kind::Json]
            .map(|kind| Column::of_kind(kind).count())
            .iter()
            .sum();
    assert_eq!(by_kind, COLUMNS.len());
}

#[test]
fn numbers_have_captions() {
    let mut pairs = 0;
    for (id, column) in Column::all() {
        let Some(caption) = id.caption() else { continue };
        pairs += 1;
        let mut seen = classes().iter().filter_map(|c| column.enumeration(c));
        let first = seen.next().expect("it is enumerated");
        assert!(!column.path.contains('.') || seen.all(|other| other == first), "{}", column.path);
        assert_eq!(caption.get().kind, Kind::Text);
    }
    assert!(pairs >= 10, "{pairs}");
}

#[test]
fn classes_are_found_by_name_and_number() {
    assert_eq!(class("authentication").unwrap().uid, 3002);
    assert_eq!(class("3002").unwrap().caption, "Authentication");
    assert_eq!(class("win/registry_key_activity").unwrap().uid, 201_001);
    assert_eq!(class("registry_key_activity").unwrap().extension, "win");
    assert_eq!(class("base_event").unwrap().category_name, "Uncategorized");
    assert!(class("linux/registry_key_activity").is_none());
    assert!(class("nothing").is_none());
    let mut names: Vec<_> = classes().iter().map(|c| c.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    for class in classes() {
        assert!(class.shape.attributes().is_sorted_by_key(|a| a.name), "{}", class.name);
        assert!(class.activity(0).is_some() && class.activity(99).is_some(), "{}", class.name);
    }
}

#[test]
fn paths_are_read() {
    let dns = class("dns_activity").unwrap();
    let at = |path| resolve(dns, path);
    assert!(at("answers").unwrap().list);
    let fanned = at("answers[].rdata").unwrap();
    assert!(fanned.fanned && !fanned.list && fanned.attribute.ty == Type::Text);
    assert!(!at("answers[0].rdata").unwrap().fanned);
    assert_eq!(at("src_endpoint.ip").unwrap().attribute.ty, Type::Ip);
    assert_eq!(at("device.hostname").unwrap().profiles.names().collect::<Vec<_>>(), ["host"]);
    for wrong in [
        "answers.rdata",
        "src_endpoint.nothing",
        "src_endpoint[0].ip",
        "",
        "query.",
        "query[",
        "a[b",
    ] {
        assert!(at(wrong).is_none(), "{wrong}");
    }
    let file = class("file_activity").unwrap();
    assert!(resolve(file, "file.hashes[sha-256].value").is_some());
    assert!(resolve(file, "file.hashes[sha-257].value").is_none());
}
