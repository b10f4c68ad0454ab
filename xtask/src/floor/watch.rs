//! What a process takes, and when alerts are heard of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http;
use super::server::{Api, Place};

/// Peak memory of a process in MiB, as the kernel counts it.
pub(super) fn peak_mib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

/// Seconds of processor that a process took, its ended children left out.
pub(super) fn cpu_seconds(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold anything. User and system time are the 12th and 13th behind it.
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// The value below which a part of all lies; zero of nothing.
pub(super) fn quantile(all: &mut [Duration], part: f64) -> Duration {
    all.sort_unstable();
    let at = ((all.len() as f64 * part).ceil() as usize).clamp(1, all.len().max(1)) - 1;
    all.get(at).copied().unwrap_or_default()
}

/// Milliseconds, for people.
pub(super) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// When each alert was first heard of by server-sent events.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<HashMap<String, Instant>>>);

impl Heard {
    /// Listens until the floor is gone.
    pub(super) fn listen(api: &Api, place: &Place) -> Result<Self, String> {
        let heard = Self::default();
        let lines = http::lines(place.http, "GET /api/v1/events", &api.headers());
        let lines = lines.map_err(|e| format!("the stream of events: {e}"))?;
        let kept = heard.clone();
        std::thread::spawn(move || {
            for line in lines {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let at = Instant::now();
                let told: Value = serde_json::from_str(data.trim()).unwrap_or_default();
                let alert = told.get("kind").and_then(Value::as_str) == Some("alert");
                if let Some(id) = told.get("id").and_then(Value::as_str).filter(|_| alert) {
                    let mut all = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                    all.entry(id.to_owned()).or_insert(at);
                }
            }
        });
        Ok(heard)
    }

    /// When an alert was first heard of.
    pub(super) fn of(&self, alert: &str) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(alert).copied()
    }
}
