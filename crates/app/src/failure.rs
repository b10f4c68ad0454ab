//! What goes wrong, for two readers: a sentence and hints for the person, a kind for the machine.

use std::fmt;
use std::time::Duration;

/// The kinds of failure. Each has its own exit code, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The system would not do it: a disk, a permission, a lock.
    System,
    /// What was asked makes no sense as it was asked: arguments, SQL, parameters.
    Usage,
    /// What a person wrote (a rule, a definition, a hunt) has mistakes.
    Content,
    /// There is nothing to work on.
    Nothing,
    /// What was named is not there.
    NotFound,
    /// Somebody else was first, or what was to be changed cannot be changed as it stands.
    Conflict,
    /// What it was decided on is not what stands any more: somebody else was first.
    Outdated,
    /// Who asks has not said who they are, or not credibly.
    Unauthenticated,
    /// Who asks may not.
    Denied,
    /// Too much was asked for in too little time.
    Throttled,
    /// It takes more time, memory or room than it may.
    TooMuch,
    /// The person stopped it.
    Interrupted,
    /// A defect of this program.
    Defect,
}

impl Kind {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::System | Self::TooMuch => 1,
            Self::Usage => 2,
            Self::Content => 3,
            Self::Nothing | Self::NotFound => 4,
            Self::Conflict | Self::Outdated => 5,
            Self::Unauthenticated | Self::Denied => 6,
            Self::Throttled => 7,
            Self::Defect => 70,
            Self::Interrupted => 130,
        }
    }
}

/// Something that did not work.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// One sentence that a person understands.
    pub message: String,
    /// What could be done about it.
    pub hints: Vec<String>,
    /// When the same may work.
    #[serde(skip)]
    pub after: Option<Duration>,
}

impl Failure {
    /// Makes one.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), after: None }
    }

    /// Says when the same may work.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Puts what was being done before a system error.
pub(crate) fn system(what: &str) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    move |error| Failure::new(Kind::System, format!("{what}: {error}"))
}
