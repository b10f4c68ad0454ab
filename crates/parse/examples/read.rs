//! Reads files and says what came of them: `cargo run -p parse --example read -- FILE…`.
//! `--records` prints every record, `--chunk N` cuts into chunks of N bytes, `--as FORMAT` does not
//! look what it is.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

use parse::{FORMATS, Limits, read_as, read_with};

fn main() {
    let mut limits = Limits::default();
    let mut records = false;
    let mut known = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--records" => records = true,
            "--as" => {
                let name = args.next().unwrap();
                known = FORMATS.iter().find(|format| format.name() == name);
            }
            "--chunk" => limits.chunk = args.next().unwrap().parse().unwrap(),
            path => {
                let bytes = std::fs::read(path).unwrap();
                let reading = match known {
                    Some(format) => read_as(&bytes, *format, limits),
                    None => read_with(&bytes, path, limits),
                };
                let flawed = reading.records.iter().filter(|r| !r.flaws.is_empty()).count();
                println!(
                    "{:16} {:7} records {:5} flawed {:5} flaws  {path}",
                    reading.format,
                    reading.records.len(),
                    flawed,
                    reading.flaws.len(),
                );
                if records {
                    for record in &reading.records {
                        let fields = serde_json::to_string(&record.fields).unwrap();
                        println!("  {:8} {fields} {:?}", record.offset, record.flaws);
                    }
                    for flaw in &reading.flaws {
                        println!("  {flaw:?}");
                    }
                }
            }
        }
    }
}
