//! `floor.toml`: what is fetched, checked before anything begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collect::tail::{Tail, TailOptions};
use collect::{Fetcher, Moment};
use ledger::SenderForm;
use model::inert;
use parse::Recognised;
use serde::Deserialize;
use toml::Spanned;

use crate::content::read_text;
use crate::failure::{Failure, Kind};

/// The file, checked.
pub(super) struct Config {
    pub(super) entries: Vec<Entry>,
}

/// One entry.
pub(super) struct Entry {
    /// File and line, for what is said of it.
    pub(super) place: String,
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) format: Option<String>,
    pub(super) definition: Option<String>,
    pub(super) tags: Vec<String>,
    silent_after: Option<u64>,
    what: What,
}

enum What {
    Tail(TailForm),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct File {
    tail: Vec<Spanned<TailForm>>,
}

/// Makes the form of one kind of entry: what all have, and its own.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            name: String,
            #[serde(default = "yes")]
            enabled: bool,
            format: Option<String>,
            definition: Option<String>,
            #[serde(default)]
            tags: Vec<String>,
            /// Seconds.
            silent_after: Option<u64>,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn entry(self, place: String, what: fn(Self) -> What) -> Entry {
                Entry {
                    place,
                    name: self.name.clone(),
                    enabled: self.enabled,
                    format: self.format.clone(),
                    definition: self.definition.clone(),
                    tags: self.tags.clone(),
                    silent_after: self.silent_after,
                    what: what(self),
                }
            }
        }
    };
}

form! {
    /// `[[tail]]`
    TailForm {
        paths: Vec<String>,
        #[serde(default)]
        exclude: Vec<String>,
        #[serde(default)]
        from: From,
        /// Seconds.
        #[serde(default = "ten")]
        settle: u64,
    }
}

/// Where a file that is there at the very first start is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    #[default]
    Beginning,
    End,
}

fn yes() -> bool {
    true
}

fn ten() -> u64 {
    10
}

impl Config {
    /// Reads a file. `known` says whether there is a source definition of a name.
    pub(super) fn read(path: &Path, known: &dyn Fn(&str) -> bool) -> Result<Self, Failure> {
        let text = read_text(path).map_err(|message| Failure::new(Kind::Usage, message))?;
        Self::parse(&text, &path.display().to_string(), known)
    }

    fn parse(text: &str, file: &str, known: &dyn Fn(&str) -> bool) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::new(Kind::Usage, message);
        let form: File = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(text, span.start));
            wrong(format!("{file}:{line}: {}", e.message()))
                .hint(e.to_string().trim_end().to_owned())
        })?;
        let place = |start: usize| format!("{file}:{}", line(text, start));
        let mut entries = Vec::new();
        for form in form.tail {
            let place = place(form.span().start);
            entries.push(form.into_inner().entry(place, What::Tail));
        }
        let mut names = BTreeSet::new();
        for entry in &entries {
            let mistake = entry.mistake(known).or_else(|| {
                let again = !names.insert(entry.name.clone());
                again.then(|| "another entry has this name".to_owned())
            });
            if let Some(mistake) = mistake {
                let (place, name) = (&entry.place, inert(&entry.name));
                return Err(wrong(format!("{place}: {} `{name}`: {mistake}", entry.kind())));
            }
        }
        Ok(Self { entries })
    }
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

impl Entry {
    /// Its kind, as the file spells it.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Tail(_) => "tail",
        }
    }

    /// The sender that it is.
    pub(super) fn form(&self) -> SenderForm {
        SenderForm {
            name: self.name.clone(),
            kind: self.kind().to_owned(),
            client_name: None,
            definition: self.definition.clone(),
            tags: self.tags.clone(),
            rate_limit: None,
            silent_after: self.silent_after.map(|seconds| seconds.saturating_mul(1_000_000)),
            enabled: self.enabled,
        }
    }

    /// What is wrong with it, if anything.
    fn mistake(&self, known: &dyn Fn(&str) -> bool) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 100 || !self.name.chars().all(plain) {
            return Some("a name has letters, digits, `-`, `_` and `.`, 100 at most".to_owned());
        }
        if let Some(format) = &self.format
            && !crate::formats().any(|name| name == format)
        {
            let all: Vec<_> = crate::formats().collect();
            return Some(format!("format `{}` is none of {}", inert(format), all.join(", ")));
        }
        if let Some(definition) = self.definition.as_deref().filter(|name| !known(name)) {
            let name = inert(definition);
            return Some(format!(
                "there is no source definition `{name}` (`watchfloor sources list`)"
            ));
        }
        if self.silent_after.is_some_and(|seconds| !(1..=315_360_000).contains(&seconds)) {
            return Some("silent_after is a number of seconds, from 1 to ten years".to_owned());
        }
        match &self.what {
            What::Tail(form) if form.paths.is_empty() => Some("paths names nothing".to_owned()),
            What::Tail(form) => {
                let now = Moment { at: std::time::Instant::now(), time: model::Micros(0) };
                let tail = Tail::new(
                    TailOptions { paths: form.paths.clone(), ..self.tail(form) },
                    [],
                    now,
                );
                tail.err().map(|error| error.to_string())
            }
        }
    }

    /// What fetches it.
    pub(super) fn fetcher(
        &self,
        saved: &BTreeMap<&str, &str>,
        now: Moment,
    ) -> Result<Box<dyn Fetcher>, Failure> {
        match &self.what {
            What::Tail(form) => {
                let tail = Tail::new(self.tail(form), saved.values().copied(), now);
                let tail =
                    tail.map_err(|e| Failure::new(Kind::Usage, format!("{}: {e}", self.place)))?;
                Ok(Box::new(tail))
            }
        }
    }

    fn tail(&self, form: &TailForm) -> TailOptions {
        let format = self.format.clone();
        TailOptions {
            name: self.cursors().into(),
            paths: form.paths.clone(),
            exclude: form.exclude.clone(),
            from_end: form.from == From::End,
            settle: Duration::from_secs(form.settle.min(86_400)),
            preamble: Arc::new(parse::preamble),
            unfit: Arc::new(move |front| unfit(front, format.as_deref())),
        }
    }
}

/// What a file is that is not lines of text.
fn unfit(front: &[u8], format: Option<&str>) -> Option<String> {
    let head = parse::Head { bytes: front, name: "", complete: false };
    match parse::recognise(&head) {
        Recognised::Binary(what) if format.is_none() => Some(what.to_owned()),
        Recognised::Format(format) if format.name() == "evtx" => {
            Some("a Windows event log (`watchfloor investigate` reads it)".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        Config::parse(text, "floor.toml", &|name| name == "nginx").map_err(|f| f.message)
    }

    #[test]
    fn an_entry_is_a_sender() {
        let config = parsed(
            "[[tail]]\nname = \"web-1\"\npaths = [\"/var/log/nginx/*.log\"]\ndefinition = \"nginx\"\n\
             tags = [\"site=oslo\"]\nsilent_after = 600\nfrom = \"end\"\n",
        );
        let entry = &config.unwrap().entries[0];
        let form = entry.form();
        assert_eq!((form.name.as_str(), form.kind.as_str(), form.enabled), ("web-1", "tail", true));
        assert_eq!(form.silent_after, Some(600_000_000));
        assert_eq!(entry.cursors(), "tail/web-1");
    }

    #[test]
    fn mistakes_name_their_line() {
        let said = |text: &str| parsed(text).err().unwrap();
        let good = "[[tail]]\nname = \"a\"\npaths = [\"/a\"]\n";
        assert!(parsed(good).is_ok());
        assert!(
            said("[[tail]]\nname = \"a\"\npath = [\"/a\"]\n")
                .starts_with("floor.toml:3: unknown field")
        );
        assert!(said("[[tail]]\nname = \"a\"\npaths = \"/a\"\n").starts_with("floor.toml:3: "));
        assert!(said("\n[[tail]\n").starts_with("floor.toml:2: "));
        assert!(said("[[tale]]\n").contains("unknown field `tale`"));
        let twice = said(&format!("{good}\n{good}"));
        assert_eq!(twice, "floor.toml:5: tail `a`: another entry has this name");
        for (line, about) in [
            ("paths = [\"var/log\"]", "begins with /"),
            ("paths = [\"/var/[log\"]", "no pattern"),
            ("paths = []", "names nothing"),
            ("paths = [\"/a\"]\nformat = \"nginx\"", "is none of"),
            ("paths = [\"/a\"]\ndefinition = \"acme\"", "no source definition"),
            ("paths = [\"/a\"]\nsilent_after = 0", "seconds"),
        ] {
            let said = said(&format!("# first\n[[tail]]\nname = \"a\"\n{line}\n"));
            assert!(said.starts_with("floor.toml:2: tail `a`: ") && said.contains(about), "{said}");
        }
        assert!(
            said("[[tail]]\nname = \"a/b\"\npaths = [\"/a\"]\n").contains("a name has letters")
        );
    }
}
