//! The stages with their content loaded: definitions compiled, rules compiled.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use detect::{Placeholders, ReadRules, RuleProblem, RuleText, Rules, Severity};
use model::Hasher;
use normalize::{Diagnostic, Normalizer, SourceText};

use crate::content::{Content, read_text, read_yaml};
use crate::failure::{Failure, Kind};
use crate::off::{self, Off, RuleOff};

/// Parts of the rule files for each core that reads them.
const PARTS: usize = 8;

/// Which rules to load.
#[derive(Debug, Clone, Default)]
pub struct RuleChoice {
    /// Files and folders of Sigma rules.
    pub paths: Vec<PathBuf>,
    /// Leave out what the content brings.
    pub only_paths: bool,
    /// A JSON file with the values that stand for `%placeholder%`s in rules: `{"name": ["value"]}`.
    pub placeholders: Option<PathBuf>,
    /// A folder of rules that come last and replace those of the same id: what people saved on a floor.
    pub own: Option<PathBuf>,
    /// A file that names the rules that people switched off: they are loaded and do not run.
    pub off: Option<PathBuf>,
}

impl RuleChoice {
    /// With the rules that were saved in a data folder, and without those that were switched off there.
    #[must_use]
    pub fn of_floor(mut self, data: &Path) -> Self {
        self.own = Some(data.join("content/rules"));
        self.off = Some(off::place(data));
        self
    }

    /// Whether everything that was named is there.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for path in self.paths.iter().chain(&self.placeholders) {
            std::fs::metadata(path).map_err(|error| {
                Failure::new(Kind::Usage, format!("{}: cannot be read: {error}", path.display()))
            })?;
        }
        if let Some(path) = &self.placeholders {
            read_placeholders(path).map_err(|problem| Failure::new(Kind::Content, problem))?;
        }
        Ok(())
    }
}

/// Everything that a record passes through, shared by all threads.
pub struct Stages {
    /// Records to events.
    pub normalizer: Normalizer,
    /// Events to findings.
    pub rules: Arc<Rules>,
    /// Mistakes in source definitions; those definitions were left out.
    pub source_problems: Vec<Diagnostic>,
    /// Rules that did not load.
    pub rule_problems: Vec<RuleProblem>,
    /// Files that could not be read.
    pub unread: Vec<String>,
    /// Names of the rule sets and how many files each brought.
    pub rule_sets: Vec<(String, usize)>,
    /// The rules that people switched off: those that are loaded do not run.
    pub off: Vec<RuleOff>,
    /// Hash of all texts: the same content gives the same digest.
    pub digest: String,
    /// What findings on unknown records name as their source.
    pub unknown_source: Arc<str>,
}

impl Stages {
    /// Compiles as [`Stages::load`] does, but refuses to do without a file or folder that was named: a
    /// typing error must not pass for a quiet night.
    pub fn of(content: &Content, choice: &RuleChoice) -> Result<Self, Failure> {
        choice.check()?;
        Ok(Self::load(content, choice))
    }

    /// Everything that is wrong with the content: each names its file, and where there is a place the line,
    /// with a caret.
    pub fn problems(&self) -> Vec<String> {
        let rules = self.rule_problems.iter().map(ToString::to_string);
        self.mistakes_besides_rules().chain(rules).collect()
    }

    /// As [`Stages::problems`], without what is only odd.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let rules = self.rule_problems.iter().filter(|p| p.severity == Severity::Error);
        self.mistakes_besides_rules().chain(rules.map(ToString::to_string)).collect()
    }

    /// Those of the loaded rules that people switched off.
    pub fn off_here(&self) -> impl Iterator<Item = &RuleOff> {
        let loaded = |off: &&RuleOff| self.rules.switched_off().any(|info| info.id == off.rule_id);
        self.off.iter().filter(loaded)
    }

    fn mistakes_besides_rules(&self) -> impl Iterator<Item = String> {
        let sources = self.source_problems.iter().map(ToString::to_string);
        self.unread.iter().cloned().chain(sources)
    }

    /// Compiles the content's definitions and the chosen rules. Mistakes never stop it: what is
    /// sound is used, the rest is listed.
    pub fn load(content: &Content, choice: &RuleChoice) -> Self {
        Texts::gather(content, choice).compile()
    }
}

/// What is to be compiled, as text.
#[derive(Clone)]
pub(crate) struct Texts {
    sources: Vec<SourceText>,
    /// The rule files; those of this floor's own come last.
    rules: Vec<RuleText>,
    /// Where this floor's own rules begin, and lie.
    own: (usize, Option<PathBuf>),
    off: Off,
    rule_sets: Vec<(String, usize)>,
    placeholders: Placeholders,
    /// The text that the placeholders stand in.
    placeholder_text: String,
    unread: Vec<String>,
    digest: String,
}

impl Texts {
    /// Reads the content's definitions and the chosen rules. What cannot be read is listed.
    pub(crate) fn gather(content: &Content, choice: &RuleChoice) -> Self {
        let mut unread = content.problems.clone();
        let mut texts = Vec::new();
        let mut rule_sets = Vec::new();
        if !choice.only_paths {
            let built_in = content.below("rules").map(|(_, text)| text.clone());
            let before = texts.len();
            texts.extend(built_in);
            rule_sets.push(("built in".to_owned(), texts.len() - before));
        }
        for path in &choice.paths {
            let found = read_yaml(std::slice::from_ref(path), &mut unread);
            rule_sets.push((path.display().to_string(), found.len()));
            texts.extend(found);
        }
        let own = (texts.len(), choice.own.clone());
        if let Some(folder) = choice.own.as_ref().filter(|folder| folder.is_dir()) {
            texts.extend(read_yaml(std::slice::from_ref(folder), &mut unread));
        }
        let off = choice.off.as_deref().map(Off::read).transpose().unwrap_or_else(|problem| {
            unread.push(problem);
            None
        });
        let rules = texts.into_iter().map(|text| RuleText { path: text.path, text: text.text });
        let (mut placeholders, mut placeholder_text) = (Placeholders::new(), String::new());
        if let Some(path) = &choice.placeholders {
            match read_placeholders(path) {
                Ok((text, read)) => (placeholder_text, placeholders) = (text, read),
                Err(problem) => unread.push(problem),
            }
        }
        Self {
            sources: Vec::new(),
            rules: rules.collect(),
            own,
            off: off.unwrap_or_default(),
            rule_sets,
            placeholders,
            placeholder_text,
            unread,
            digest: String::new(),
        }
        .of(content)
    }

    /// With the definitions of a content, and the digest of everything.
    fn of(mut self, content: &Content) -> Self {
        let mut hasher = Hasher::new("content").part(env!("CARGO_PKG_VERSION").as_bytes());
        self.sources.clear();
        for (name, text) in content.below("sources") {
            hasher = hasher.part(name.as_bytes()).part(text.text.as_bytes());
            if name.ends_with("/source.yml") {
                self.sources.push(SourceText {
                    name: name.split('/').nth(1).unwrap_or(name).to_owned(),
                    path: text.path.clone(),
                    text: text.text.clone(),
                });
            }
        }
        for rule in &self.rules {
            hasher = hasher.part(rule.text.as_bytes());
        }
        if !self.placeholder_text.is_empty() {
            hasher = hasher.part(self.placeholder_text.as_bytes());
        }
        if !self.off.rules().is_empty() {
            hasher = hasher.part(self.off.text().as_bytes());
        }
        self.digest = crate::hex(&hasher.finish());
        self
    }

    /// The same with another text in one of this floor's own files, or without that file.
    pub(crate) fn with(&self, content: &Content, path: &str, text: Option<&str>) -> Self {
        let (first, mut all) = (self.own.0, self.clone());
        let rules = &mut all.rules;
        let mine = rules.get(first..).unwrap_or_default();
        let at = first + mine.partition_point(|rule| Path::new(&rule.path) < Path::new(path));
        if rules.get(at).is_some_and(|rule| rule.path == path) {
            rules.remove(at);
        }
        if let Some(text) = text {
            rules.insert(at, RuleText { path: path.to_owned(), text: text.to_owned() });
        }
        all.of(content)
    }

    /// The same with other rules switched off.
    pub(crate) fn with_off(&self, content: &Content, off: Off) -> Self {
        Self { off, ..self.clone() }.of(content)
    }

    /// What people switched off.
    pub(crate) fn off(&self) -> &Off {
        &self.off
    }

    /// Hash of all texts.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// What could not be read.
    pub(crate) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// The rule files, in the order in which they are loaded.
    pub(crate) fn rules(&self) -> &[RuleText] {
        &self.rules
    }

    /// The values of placeholders.
    pub(crate) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    pub(crate) fn compile(&self) -> Stages {
        let ((normalizer, source_problems), (rules, mut rule_problems)) =
            compile(self.sources.clone(), &self.rules, &self.placeholders);
        let mut rule_sets = self.rule_sets.clone();
        let (first, own) = &self.own;
        if self.rules.len() > *first {
            rule_sets.push(("saved on this floor".to_owned(), self.rules.len() - first));
        }
        // Own rules are there to replace others.
        rule_problems.retain(|problem| {
            let mine = own.as_ref().is_some_and(|own| Path::new(&problem.path).starts_with(own));
            !(mine && problem.code == "rule/duplicate")
        });
        rules.switch_off(|id| off::word_on(self.off.rules(), id).is_some());
        Stages {
            normalizer,
            off: self.off.rules().to_vec(),
            rules: Arc::new(rules),
            source_problems,
            rule_problems,
            unread: self.unread.clone(),
            rule_sets,
            digest: self.digest.clone(),
            unknown_source: Arc::from("unrecognised"),
        }
    }
}

/// Compiles definitions and rules at once, rule files on every core: a person waits for this.
#[allow(clippy::type_complexity)] // Two pairs of a thing and its mistakes.
fn compile(
    sources: Vec<SourceText>,
    rules: &[RuleText],
    placeholders: &Placeholders,
) -> ((Normalizer, Vec<Diagnostic>), (Rules, Vec<RuleProblem>)) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let normalizer = scope.spawn(|| Normalizer::compile(sources));
        // Several parts for each core: the definitions take one core for a while.
        let parts: Vec<_> = rules.chunks(rules.len().div_ceil(cores * PARTS).max(1)).collect();
        let next = AtomicUsize::new(0);
        let read: Vec<Mutex<Vec<ReadRules<'_>>>> = parts.iter().map(|_| Mutex::default()).collect();
        let reader = || {
            while let Some((part, slot)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                parts.get(at).zip(read.get(at))
            } {
                let files = part.iter().map(RuleText::read).collect();
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = files;
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..cores {
                scope.spawn(reader);
            }
            reader();
        });
        let files = read
            .into_iter()
            .flat_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        let rules = Rules::load_read(files, placeholders);
        let normalizer = normalizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (normalizer, rules)
    })
}

/// Reads the values of placeholders, and the text that they stand in.
fn read_placeholders(path: &Path) -> Result<(String, Placeholders), String> {
    let text = read_text(path)?;
    let read = serde_json::from_str(&text).map_err(|e| {
        format!("{}: placeholders are {{\"name\": [\"value\"]}}: {e}", path.display())
    })?;
    Ok((text, read))
}
