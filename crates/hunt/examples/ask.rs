//! Answers one query after another over an open lake, for measurements: `ask DATA [NAME=FILE]…` reads
//! `{"sql": …}` line by line and says `{"rows", "seconds"}` for each: from the text to the last row.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::print_stdout)] // A measuring tool, not the product.

use std::io::BufRead as _;
use std::path::Path;
use std::time::Instant;

use hunt::{Between, Hunt, Limits};
use lake::Lake;
use model::Micros;

/// The program's own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap();
    let spill = Some(Path::new(&data).join("tmp"));
    let lake = Lake::open(&format!("{data}/lake")).unwrap();
    let limits = Limits { spill, ..Limits::default() };
    let mut hunt = Hunt::open(&lake, limits, Micros(0)).await.unwrap();
    for list in arguments {
        let (name, file) = list.split_once('=').unwrap();
        hunt.add_list(name, Path::new(file)).unwrap();
    }
    for line in std::io::stdin().lock().lines() {
        let asked: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let began = Instant::now();
        let mut answer =
            hunt.query(asked["sql"].as_str().unwrap(), Between::default()).await.unwrap();
        let mut rows = 0;
        while let Some(batch) = answer.next().await.unwrap() {
            rows += batch.num_rows();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("{}", serde_json::json!({"rows": rows, "seconds": seconds}));
    }
}
