//! Long proofs: tasks that run the built program over much evidence, print their figures, and fail when
//! a promise is broken.

pub(crate) mod corpora;
pub(crate) mod floor;
pub(crate) mod hostile;
pub(crate) mod kill;
pub(crate) mod pages;
pub(crate) mod regression;
pub(crate) mod schemathesis;

pub(crate) use xtask::{
    Dice, Ended, corpora, option, program, query, run, scratch, sigma_rules, strings,
};
