//! Checks files of OCSF events with our own validator.

use serde_json::Value;

/// `cargo xtask ocsf-check FILE…`: one JSON value, a list of events or JSON lines. Fails when an
/// event has a problem. Problems that only this house minds are marked.
#[allow(clippy::print_stdout)] // For people at a terminal.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut total, mut bad) = (0, 0);
    for path in args {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
        for (place, event) in events(path, &text)?.iter().enumerate() {
            total += 1;
            let problems = ocsf::check(event);
            bad += usize::from(!problems.is_empty());
            for problem in problems {
                let house = if problem.kind.is_schema() { "" } else { " (house)" };
                println!(
                    "{path}: event {}: {}{house}",
                    place + 1,
                    problem.to_string().escape_debug()
                );
            }
        }
    }
    println!("events={total} fail={bad}");
    if bad == 0 { Ok(()) } else { Err(format!("{bad} of {total} events are not sound")) }
}

fn events(path: &str, text: &str) -> Result<Vec<Value>, String> {
    if let Ok(whole) = serde_json::from_str(text) {
        return Ok(match whole {
            Value::Array(list) => list,
            one => vec![one],
        });
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(n, line)| serde_json::from_str(line).map_err(|e| format!("{path}:{}: {e}", n + 1));
    lines.map(read).collect()
}
