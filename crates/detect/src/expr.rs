//! Rules as trees over questions.

use rsigma_parser::ArrayQuantifier;

/// A truth over questions, each known by its number in a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// Always so, or never.
    Fixed(bool),
    /// A question.
    Ask(u32),
    /// Not so.
    Not(Box<Expr>),
    /// All of them.
    All(Box<[Expr]>),
    /// Any of them.
    Any(Box<[Expr]>),
    /// At least so many of them.
    AtLeast(u32, Box<[Expr]>),
    /// Something about the members of a list, by its number in the table of such questions.
    Members(u32),
}

/// A question about the members of a list (`field[any]:`, Sigma 3).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Members {
    /// Path to the list.
    pub(crate) field: Box<str>,
    /// How many members must satisfy the body.
    pub(crate) quantifier: ArrayQuantifier,
    /// What is asked of a member; its questions name fields of the member.
    pub(crate) body: Expr,
}

impl Expr {
    /// All of them, without needless layers.
    pub(crate) fn all(parts: Vec<Expr>) -> Self {
        match <[Expr; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Expr::All(parts.into()),
        }
    }

    /// Any of them, without needless layers.
    pub(crate) fn any(parts: Vec<Expr>) -> Self {
        match <[Expr; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Expr::Any(parts.into()),
        }
    }

    /// Visits every question, those under a `not` included.
    pub(crate) fn visit_asks(&self, visit: &mut dyn FnMut(u32)) {
        match self {
            Expr::Ask(ask) => visit(*ask),
            Expr::Not(part) => part.visit_asks(visit),
            Expr::All(parts) | Expr::Any(parts) | Expr::AtLeast(_, parts) => {
                parts.iter().for_each(|part| part.visit_asks(visit));
            }
            Expr::Fixed(_) | Expr::Members(_) => {}
        }
    }

    /// The same tree with its questions renumbered.
    pub(crate) fn renumber(&self, number: &mut dyn FnMut(u32) -> u32) -> Self {
        let mut all = |parts: &[Expr]| parts.iter().map(|part| part.renumber(number)).collect();
        match self {
            Expr::All(parts) => Expr::All(all(parts)),
            Expr::Any(parts) => Expr::Any(all(parts)),
            Expr::AtLeast(count, parts) => Expr::AtLeast(*count, all(parts)),
            Expr::Not(part) => Expr::Not(Box::new(part.renumber(number))),
            Expr::Ask(ask) => Expr::Ask(number(*ask)),
            Expr::Fixed(_) | Expr::Members(_) => self.clone(),
        }
    }
}
