//! `cargo xtask floor-…`: the live floor killed, flooded, hurt and cut off from its power.

use std::time::Duration;

use xtask::floor::{
    FaultTrial, KillTrial, LoadTrial, OverloadTrial, PowerTrial, floor_faults, floor_kill,
    floor_load, floor_overload, floor_power,
};

use super::{corpora, option, program, scratch, sigma_rules};

fn number(args: &[String], flag: &str, or: u64) -> u64 {
    option(args, flag).and_then(|n| n.parse().ok()).unwrap_or(or)
}

#[allow(clippy::print_stdout)]
fn told(figures: Result<Vec<String>, String>) -> Result<(), String> {
    figures?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// `--times N` (200), `--rate N` events a second of each of four senders (750), `--life MS` at most between
/// two kills (4000), `--seed N`, `--bin PATH`.
pub(crate) fn kill(args: &[String]) -> Result<(), String> {
    let trial = KillTrial {
        times: number(args, "--times", 200),
        seed: number(args, "--seed", 7),
        rate: number(args, "--rate", 750),
        life: number(args, "--life", 4000),
    };
    told(floor_kill(&program(args)?, &scratch("floor-kill")?, &trial))
}

fn load_trial(args: &[String], minutes: u64) -> LoadTrial {
    let rules = corpora().map(|corpora| sigma_rules(&corpora)).unwrap_or_default();
    let seconds = number(args, "--minutes", minutes) * 60;
    LoadTrial {
        seed: number(args, "--seed", 7),
        rate: number(args, "--rate", 10_000),
        time: Duration::from_secs(number(args, "--seconds", seconds)),
        rules,
        timed: true,
    }
}

/// `--minutes N` (10) or `--seconds N`, `--rate N` events a second (10000), `--seed N`, `--bin PATH`.
pub(crate) fn load(args: &[String]) -> Result<(), String> {
    told(floor_load(&program(args)?, &scratch("floor-load")?, &load_trial(args, 10)))
}

/// `--seconds N` (60) of overload, `--rate N` events a second that are usual (10000), `--times N` of that are
/// offered (10), `--seed N`, `--bin PATH`.
pub(crate) fn overload(args: &[String]) -> Result<(), String> {
    let usual = load_trial(args, 1);
    let trial = OverloadTrial { usual, times: number(args, "--times", 10) };
    told(floor_overload(&program(args)?, &scratch("floor-overload")?, &trial))
}

/// `--only NAME`, `--seed N`, `--bin PATH`.
pub(crate) fn faults(args: &[String]) -> Result<(), String> {
    let only = option(args, "--only").map(str::to_owned);
    let trial = FaultTrial { seed: number(args, "--seed", 7), only };
    told(floor_faults(&program(args)?, &scratch("floor-faults")?, &trial))
}

/// `--times N` (20), `--rate N` events a second of each of three senders (1000), `--seed N`, `--bin PATH`.
pub(crate) fn power(args: &[String]) -> Result<(), String> {
    let trial = PowerTrial {
        times: number(args, "--times", 20),
        seed: number(args, "--seed", 7),
        rate: number(args, "--rate", 1000),
    };
    told(floor_power(&program(args)?, &scratch("floor-power")?, &trial))
}
