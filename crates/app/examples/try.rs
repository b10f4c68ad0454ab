//! scratch
use app::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let content = Content::built_in().overlaid(std::path::Path::new("content"));
    let t = std::time::Instant::now();
    let rules: Vec<_> = std::env::var("RULES").map(|r| r.split(',').map(Into::into).collect()).unwrap_or_default();
    let stages = Stages::load(&content, &RuleChoice { paths: rules, only_paths: false });
    eprintln!("load {:?} rules {} problems {} sources {} mistakes {}", t.elapsed(), stages.rules.list().len(), stages.rule_problems.len(), stages.normalizer.definitions().len(), stages.source_problems.len());
    let meter = Meter::default();
    let o = Options { inputs: a[2..].iter().map(Input::from_arg).collect(), data: a[1].clone().into(), min_level: model::Level::Informational, threads: 2, now: now() };
    let t = std::time::Instant::now();
    match investigate(&stages, &o, &meter) { Ok(mut o) => { let n = o.incidents.len(); o.incidents.truncate(3); println!("{n} incidents; {}", serde_json::to_string_pretty(&o).unwrap()); } Err(e) => println!("{e:?}") }
    eprintln!("{:?}", t.elapsed());
}
