//! The events of files, as OCSF JSON lines: `cargo run --example events -- FILE…`.
//! A summary goes to standard error: how many by definition, class, activity and log source, and
//! every problem by the schema. `--count` prints only that; `--native` prints the records as the
//! parsers read them; `--unknown` the records of base events and of the activities Unknown and
//! Other.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used)]

mod shared;

use std::collections::BTreeMap;

use model::EventUid;

fn main() {
    let normalizer = shared::normalizer();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut problems: BTreeMap<String, usize> = BTreeMap::new();
    let has = |option| std::env::args().any(|a| a == option);
    let (count, native, unknown) = (has("--count"), has("--native"), has("--unknown"));
    for file in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
        let (parser, records) = shared::records(&file);
        for record in &records {
            let made = normalizer.normalize(record, &shared::context(parser, &file));
            let event = &made.event;
            let by = made.definition.map_or("no definition", |d| &*d.name);
            let time = if made.time_found { "" } else { ", no time" };
            let mut sources = String::new();
            for source in made.logsources {
                sources = format!("{sources} {source}");
            }
            let key = format!(
                "{by}: {}, {}{time}, {parser},{sources}",
                event.class.name,
                event.activity_caption()
            );
            *counts.entry(key).or_default() += 1;
            for flaw in &made.flaws {
                *problems.entry(flaw.message.clone()).or_default() += 1;
            }
            let json = event.to_json(EventUid([0; 16]), &record.raw);
            for problem in ocsf::check(&json) {
                *problems.entry(format!("{by}: {problem}")).or_default() += 1;
            }
            if let Some(left) = json.get("unmapped") {
                let names: Vec<&str> = left
                    .as_object()
                    .map(|o| o.keys().map(String::as_str).collect())
                    .unwrap_or_default();
                let text = format!("{by}: mapped, but not to be written: {}", names.join(", "));
                *problems.entry(text).or_default() += 1;
            }
            let vague = event.class.uid == 0 || matches!(event.activity_id, 0 | 99);
            if native || (unknown && vague) {
                println!("{}", serde_json::to_string(&record.fields).unwrap_or_default());
            } else if !count && !unknown {
                println!("{json}");
            }
        }
    }
    for (key, count) in counts {
        eprintln!("{count:8} {key}");
    }
    for (key, count) in problems {
        eprintln!("{count:8} PROBLEM {key}");
    }
}
