//! The content in force, and how it changes while the floor is open: all of it or nothing.
//!
//! A thread watches the user's content folder and the rules that were named. When a file changes, the whole
//! is read and compiled beside what is in force. Without a new mistake it takes its place, and the line goes
//! over to it between two turns. With one, what was in force stays, all of it, and the mistake is told until
//! it is mended: half a change may be worse than none, and nobody sits by who would see it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use collect::Wake;
use hunt::SavedHunt;
use ledger::Actor;
use model::{Hasher, Micros};

use super::floor::{FloorOptions, Inner};
use super::from_ledger;
use crate::content::{Content, is_content};
use crate::failure::Failure;
use crate::stages::{Stages, Texts};

/// How often files are looked at where the system says nothing of their changes.
const SWEEP: Duration = Duration::from_secs(10);
/// Files that are written one after another are one change when no more lies between them …
const QUIET: Duration = Duration::from_millis(250);
/// … for so long at most.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the thread looks whether the floor closes.
const LOOK: Duration = Duration::from_millis(200);

/// Content that was read and compiled together.
pub(crate) struct Loaded {
    pub(crate) content: Content,
    /// What the stages were compiled of.
    pub(crate) texts: Texts,
    pub(crate) stages: Arc<Stages>,
    /// The saved hunts, by name.
    pub(crate) hunts: Vec<SavedHunt>,
    /// Everything that is odd or wrong.
    pub(crate) problems: Vec<String>,
    /// What of it keeps something out.
    pub(super) mistakes: BTreeSet<String>,
    digest: String,
    pub(crate) at: Micros,
}

/// A change of the content that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ContentRefused {
    /// Since when.
    pub since: Micros,
    /// The mistakes that are new in it: each names its file, and where there is a place the line.
    pub problems: Vec<String>,
}

/// The content in force, and the change that is not.
pub(crate) struct InForce {
    loaded: RwLock<Arc<Loaded>>,
    refused: Mutex<Option<ContentRefused>>,
    /// One change at a time.
    pub(super) changing: Mutex<()>,
}

impl InForce {
    pub(crate) fn new(loaded: Loaded) -> Self {
        let loaded = RwLock::new(Arc::new(loaded));
        Self { loaded, refused: Mutex::default(), changing: Mutex::default() }
    }

    pub(crate) fn get(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other content in its place.
    pub(super) fn put(&self, loaded: Loaded) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&loaded);
        loaded
    }

    pub(crate) fn refused(&self) -> Option<ContentRefused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says once of each set of mistakes that it is not taken.
    fn refuse(&self, problems: Vec<String>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref().is_some_and(|known| known.problems == problems) {
            return;
        }
        for problem in &problems {
            tracing::error!("the content has a mistake; what was in force stays:\n{problem}");
        }
        *refused = Some(ContentRefused { since: crate::now(), problems });
    }

    fn accept(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.take().is_some() {
            tracing::info!("the content has no new mistake any more");
        }
    }
}

impl Loaded {
    /// Compiles content that was read; refuses to do without what was named.
    pub(crate) fn of(content: Content, options: &FloorOptions) -> Result<Self, Failure> {
        options.rules.check()?;
        let texts = Texts::gather(&content, &options.rules);
        Ok(Self::compile(content, texts))
    }

    pub(super) fn compile(content: Content, texts: Texts) -> Self {
        let digest = digest(&content, &texts);
        let stages = Arc::new(texts.compile());
        let (hunts, unread) = crate::ask::hunts(&content);
        // Files that could not be read are named by the stages already.
        let hunts_problems: Vec<String> =
            unread.into_iter().filter(|problem| !content.problems.contains(problem)).collect();
        let with = |mut problems: Vec<String>| {
            problems.extend(hunts_problems.iter().cloned());
            problems
        };
        let problems = with(stages.problems());
        let mistakes = with(stages.mistakes()).into_iter().collect();
        Self { content, texts, stages, hunts, problems, mistakes, digest, at: crate::now() }
    }
}

/// A hash of all that is read of the content, so that what did not change is not compiled.
fn digest(content: &Content, texts: &Texts) -> String {
    let mut hasher = Hasher::new("all content").part(texts.digest().as_bytes());
    for (name, text) in content.below("hunts") {
        hasher = hasher.part(name.as_bytes()).part(text.text.as_bytes());
    }
    for unread in texts.unread() {
        hasher = hasher.part(unread.as_bytes());
    }
    crate::hex(&hasher.finish())
}

/// Who wants the content anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Files changed: only what has no new mistake is taken.
    ByItself,
    /// A person asked: the sound part is taken.
    ByPerson,
}

/// Reads the content anew and puts it in force, all of it or nothing.
pub(crate) fn change(inner: &Inner, wanted: Wanted) -> Result<(), Failure> {
    let in_force = &inner.content;
    let _one = in_force.changing.lock().unwrap_or_else(PoisonError::into_inner);
    inner.options.rules.check()?;
    let old = in_force.get();
    let content = Content::of(inner.options.content.as_deref());
    let texts = Texts::gather(&content, &inner.options.rules);
    if digest(&content, &texts) == old.digest {
        in_force.accept();
        return Ok(());
    }
    let new = Loaded::compile(content, texts);
    let mistakes: Vec<String> = new.mistakes.difference(&old.mistakes).cloned().collect();
    if wanted == Wanted::ByItself && !mistakes.is_empty() {
        in_force.refuse(mistakes);
        return Ok(());
    }
    let (rules, digest) = (new.stages.rules.list().len(), new.digest.clone());
    in_force.put(new);
    in_force.accept();
    tracing::info!(rules, "the content was loaded anew");
    if wanted == Wanted::ByItself {
        let audit = inner.ledger.audit();
        let actor = Actor::system("content");
        let object = (ledger::Kind::Other, digest.as_str());
        let noted = audit.record(&actor, crate::now(), "content.reload", object, (None, None));
        if let Err(failure) = inner.runtime.block_on(noted).map_err(from_ledger) {
            tracing::warn!(%failure, "that the content was loaded anew is not in the audit trail");
        }
    }
    Ok(())
}

/// Watches the content until the floor closes. Ends at once where there is nothing to watch.
pub(crate) fn watch(inner: &Inner) {
    let places = Places::of(&inner.options);
    if places.0.is_empty() {
        return;
    }
    let mut wake = Wake::new(places.folders());
    let (mut mark, mut swept) = (None, Instant::now());
    while !inner.closing() {
        let woken = wake.wait(LOOK);
        if !woken && mark.is_some() && swept.elapsed() < SWEEP {
            continue;
        }
        let began = Instant::now();
        while woken && began.elapsed() < PATIENCE && !inner.closing() && wake.wait(QUIET) {}
        wake.take_structural();
        // First the watch, then the look: what comes in between is seen by one of them.
        wake.watch(places.folders().iter().map(PathBuf::as_path));
        let now = places.mark();
        swept = Instant::now();
        if mark == Some(now) {
            continue;
        }
        mark = match change(inner, Wanted::ByItself) {
            Ok(()) => Some(now),
            Err(failure) => {
                inner.content.refuse(vec![failure.message]);
                // Tried again with the next sweep.
                Some([0; 16])
            }
        };
    }
}

/// The files and folders whose changes matter.
struct Places(Vec<PathBuf>);

impl Places {
    fn of(options: &FloorOptions) -> Self {
        let rules = &options.rules;
        let all = options.content.iter().chain(&rules.paths).chain(&rules.placeholders);
        let all = all.chain(&rules.own).chain(&rules.off);
        Self(all.cloned().collect())
    }

    /// The folders that they are and lie in.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders = BTreeSet::new();
        for place in &self.0 {
            if place.is_dir() {
                walk(place, &mut |path, is| {
                    if is.is_dir() {
                        folders.insert(path.to_owned());
                    }
                });
            } else if let Some(folder) = place.parent() {
                let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                folders.insert(here.to_owned());
            }
        }
        folders
    }

    /// Changes whenever one of the files does: by name, size, place and times.
    fn mark(&self) -> [u8; 16] {
        let mut hasher = Some(Hasher::new("content files"));
        let mut add = |path: &Path, is: &Metadata| {
            let times = [is.mtime(), is.mtime_nsec(), is.ctime(), is.ctime_nsec()];
            hasher = hasher.take().map(|mut hasher| {
                hasher = hasher.part(path.as_os_str().as_encoded_bytes());
                hasher = hasher.number(is.len()).number(is.ino());
                times.into_iter().fold(hasher, |hasher, time| hasher.number(time as u64))
            });
        };
        for place in &self.0 {
            match fs::metadata(place) {
                Ok(is) if is.is_dir() => walk(place, &mut |path, is| {
                    if is.is_file() && is_content(path) {
                        add(path, is);
                    }
                }),
                Ok(is) => add(place, &is),
                Err(_) => {}
            }
        }
        hasher.map(Hasher::finish).unwrap_or_default()
    }
}

/// Visits a folder and everything in it, in order of names. Folders behind links are left out, as they are
/// where content is read.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &Metadata)) {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if let Ok(is) = fs::metadata(&folder) {
            visit(&folder, &is);
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            match fs::metadata(&path) {
                Ok(is) if is.is_dir() => {
                    if !path.is_symlink() {
                        open.push(path);
                    }
                }
                Ok(is) => visit(&path, &is),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_change_of_a_file_is_seen_without_being_told() {
        let folder = tempfile::tempdir().unwrap();
        let (content, rule) = (folder.path().join("mine"), folder.path().join("rule.yml"));
        fs::create_dir_all(content.join("rules/deep")).unwrap();
        fs::write(&rule, "title: a\n").unwrap();
        let places = Places(vec![content.clone(), rule.clone(), folder.path().join("none.json")]);
        let here = folder.path().to_owned();
        let known = [here, content.clone(), content.join("rules"), content.join("rules/deep")];
        assert_eq!(places.folders(), known.into());
        let mut marks = vec![places.mark()];
        let mut changed = || {
            marks.push(places.mark());
            let different: BTreeSet<_> = marks.iter().collect();
            different.len() == marks.len()
        };
        let deep = content.join("rules/deep/one.yml");
        fs::write(&deep, "title: one\n").unwrap();
        assert!(changed(), "a new file");
        // As editors and configuration management write: another file under the same name.
        fs::write(content.join("new"), "title: two\n").unwrap();
        fs::rename(content.join("new"), &deep).unwrap();
        assert!(changed(), "a file in place of another of the same length");
        fs::write(&rule, "title: b\n").unwrap();
        assert!(changed(), "a file that was named");
        fs::rename(&deep, content.join("rules/other.yml")).unwrap();
        assert!(changed(), "another name");
        fs::write(folder.path().join("none.json"), "{}").unwrap();
        assert!(changed(), "a file that was missing");
        fs::write(content.join("rules/notes.txt"), "no content").unwrap();
        assert!(!changed(), "what is no content does not matter");
    }
}
