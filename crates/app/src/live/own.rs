//! The rules that people save on this floor: one file each below `content/rules` of the data folder.
//!
//! They are loaded last and replace those of the same id, so that nothing that is built in or lies in
//! somebody's own folder is ever written over. A change is compiled beside what is in force before anything
//! is written, and is what is in force from then on; files that others change meanwhile are no part of it.
//! The name of a file is made here and never of what somebody wrote.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use detect::{Outline, RuleText, Rules, Severity};
use ledger::Actor;
use model::Digest;
use serde_json::{Value, json};

use super::content::Loaded;
use super::floor::Inner;
use super::from_ledger;
use crate::content::read_text;
use crate::failure::{Failure, Kind, system};

/// Bytes of a rule's text that is checked or saved; SigmaHQ's largest has 300,000.
const TEXT: usize = 512 << 10;
/// Documents of one text: a correlation and what it counts.
const DOCUMENTS: usize = 20;
/// Characters of an id and of a title.
const ID: usize = 200;
/// Rules that are saved on one floor.
const FILES: usize = 10_000;

/// What is to become of a rule.
pub(crate) struct Edit {
    pub(crate) id: String,
    /// Its text; none takes it away.
    pub(crate) text: Option<String>,
    /// The version that it was decided on; 0 when there was no such rule.
    pub(crate) expected: Option<u64>,
}

/// What became of it.
pub(crate) struct Edited {
    pub(crate) loaded: Arc<Loaded>,
}

/// A rule as it stands.
struct Standing<'l> {
    path: &'l str,
    text: &'l str,
    own: bool,
}

/// Makes the folder of a floor's own rules when it is not there.
pub(super) fn folder(data: &Path) -> Result<(), Failure> {
    let folder = data.join("content/rules");
    fs::create_dir_all(folder).map_err(system("cannot make the folder for rules"))
}

/// The version of a text: what its digest begins with, as a number that JavaScript can hold. 0 is of no text.
pub(crate) fn version(text: &str) -> u64 {
    let digest = Digest::of(text.as_bytes()).0;
    let start = digest.first_chunk().copied().unwrap_or_default();
    (u64::from_be_bytes(start) >> 11).max(1)
}

/// Whether a rule lies among those that were saved on this floor.
pub(crate) fn saved(inner: &Inner, path: &str) -> bool {
    inner.options.rules.own.as_ref().is_some_and(|own| Path::new(path).starts_with(own))
}

/// Refuses what would take too long to read.
pub(crate) fn sound(text: &str) -> Result<(), Failure> {
    if text.len() > TEXT {
        let message = format!("the text is larger than {} KiB", TEXT >> 10);
        return Err(Failure::new(Kind::TooMuch, message));
    }
    if text.lines().filter(|line| line.starts_with("---")).count() > DOCUMENTS {
        let message = format!("the text has more than {DOCUMENTS} documents");
        return Err(Failure::new(Kind::TooMuch, message)
            .hint("save rules one by one; `watchfloor rules import` takes whole folders"));
    }
    Ok(())
}

/// Carries an edit out: all of it, or nothing. Blocks.
pub(crate) fn edit(inner: &Inner, actor: &Actor, edit: &Edit) -> Result<Edited, Failure> {
    let _one = inner.content.changing.lock().unwrap_or_else(PoisonError::into_inner);
    let old = inner.content.get();
    let stands = standing(inner, &old, &edit.id);
    let path = place(inner, stands.as_ref(), &edit.id)?;
    let shown = path.display().to_string();
    unmoved(stands.as_ref(), edit)?;
    untouched(stands.as_ref(), &path)?;
    match &edit.text {
        Some(text) => {
            sound(text)?;
            fits(inner, &old, &shown, edit, text)?;
        }
        None => removable(stands.as_ref())?,
    }
    let texts = old.texts.with(&old.content, &shown, edit.text.as_deref());
    let new = Loaded::compile(old.content.clone(), texts);
    unharmed(&old, &new, &shown, edit)?;
    write(inner, actor, &path, stands.as_ref(), edit)?;
    let loaded = inner.content.put(new);
    tracing::info!(rule = &*edit.id, rules = loaded.stages.rules.list().len(), "a rule was edited");
    Ok(Edited { loaded })
}

/// The rule of that id in force.
fn standing<'l>(inner: &Inner, loaded: &'l Loaded, id: &str) -> Option<Standing<'l>> {
    let info = loaded.stages.rules.list().iter().find(|info| *info.id == *id)?;
    let own = saved(inner, &info.path);
    // The same file may be named twice; what was loaded last counts.
    let mut texts = loaded.texts.rules().iter().rev();
    let text = texts.find(|text| text.path == *info.path).map(|text| text.text.as_str());
    Some(Standing { path: &info.path, text: text.unwrap_or_default(), own })
}

/// The file of a rule. Whatever its id is, the name is one of our making.
fn place(inner: &Inner, stands: Option<&Standing<'_>>, id: &str) -> Result<PathBuf, Failure> {
    if let Some(Standing { path, own: true, .. }) = stands {
        return Ok(PathBuf::from(path));
    }
    let Some(folder) = &inner.options.rules.own else {
        return Err(Failure::new(Kind::Defect, "this floor has no folder for rules"));
    };
    let digest = Digest::of(id.as_bytes()).to_string();
    let name: String = digest.chars().take(32).collect();
    Ok(folder.join(format!("{name}.yml")))
}

/// Refuses an edit of something that is not any more what it was decided on.
fn unmoved(stands: Option<&Standing<'_>>, edit: &Edit) -> Result<(), Failure> {
    let at = stands.map_or(0, |stands| version(stands.text));
    let Some(expected) = edit.expected.filter(|expected| *expected != at) else { return Ok(()) };
    let message = match (expected, at) {
        (0, _) => "there is a rule of this id already".to_owned(),
        (_, 0) => "the rule has been taken away meanwhile".to_owned(),
        _ => {
            format!("the rule has been changed meanwhile: expected version {expected}, it is {at}")
        }
    };
    Err(Failure::new(Kind::Outdated, message).hint("look at what it says now, then decide"))
}

/// Refuses to write over what somebody else put into the folder and is not in force.
fn untouched(stands: Option<&Standing<'_>>, path: &Path) -> Result<(), Failure> {
    let known = stands.filter(|stands| stands.own).map(|stands| stands.text);
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        _ => Some(read_text(path).map_err(|problem| Failure::new(Kind::System, problem))?),
    };
    if found.as_deref() == known {
        return Ok(());
    }
    let message =
        format!("{} was changed on the disk and is not in force as it is", path.display());
    Err(Failure::new(Kind::Outdated, message).hint("load the content anew, or mend the file"))
}

fn removable(stands: Option<&Standing<'_>>) -> Result<(), Failure> {
    match stands {
        None => Err(Failure::new(Kind::NotFound, "no rule has that id")),
        Some(Standing { own: true, .. }) => Ok(()),
        Some(Standing { path, .. }) => {
            let message = format!("the rule was not saved here; it comes from {path}");
            Err(Failure::new(Kind::Conflict, message)
                .hint("only what was saved here is taken away; save a copy to change it"))
        }
    }
}

/// Whether a text is one that may stand in that file.
fn fits(inner: &Inner, old: &Loaded, path: &str, edit: &Edit, text: &str) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::new(Kind::Content, message));
    let outline = Outline::of(text);
    if outline.filters > 0 {
        return refuse(
            "a filter changes rules of other files, where nobody would look for it; put it into your own \
             content folder"
                .to_owned(),
        );
    }
    if old.texts.rules().iter().filter(|text| saved(inner, &text.path)).count() >= FILES {
        return refuse(format!("{FILES} rules are saved here already"));
    }
    let too_long = |text: &str| text.chars().count() > ID || text.chars().any(char::is_control);
    for (id, title) in outline.heads() {
        if too_long(id) || too_long(title) {
            return refuse(format!("ids and titles have {ID} characters at most, on one line"));
        }
        let list = old.stages.rules.list().iter();
        let mut others = list.filter(|info| *info.id == **id && *info.path != *path);
        if let Some(other) = others.find(|info| saved(inner, &info.path)) {
            let (title, id) = (model::inert(&other.title), model::inert(id));
            return refuse(format!("the id {id} is that of `{title}`, which was saved here too"));
        }
    }
    let wanted = model::inert(&edit.id);
    match outline.heads().next() {
        _ if outline.heads().any(|(id, _)| *id == edit.id) => Ok(()),
        Some((id, _)) => {
            refuse(format!("the text is of the rule {}, and not of {wanted}", model::inert(id)))
        }
        None => match first_mistake(path, text) {
            Some(mistake) => refuse(format!("the rule has a mistake: {mistake}")),
            None => refuse("the text holds no rule".to_owned()),
        },
    }
}

fn first_mistake(path: &str, text: &str) -> Option<String> {
    let file = RuleText { path: path.to_owned(), text: text.to_owned() };
    let (_, problems) = Rules::load(vec![file]);
    let mistake = problems.iter().find(|problem| problem.severity == Severity::Error)?;
    let message = model::inert(&mistake.message);
    Some(format!("line {}, column {}: {message}", mistake.line, mistake.column))
}

/// Refuses an edit that has mistakes, or that others would have by it.
fn unharmed(old: &Loaded, new: &Loaded, path: &str, edit: &Edit) -> Result<(), Failure> {
    let errors = |loaded: &Loaded| {
        let all = loaded.stages.rule_problems.iter();
        all.filter(|p| p.severity == Severity::Error).cloned().collect::<Vec<_>>()
    };
    let known = errors(old);
    let all = errors(new);
    let told = |p: &detect::RuleProblem| {
        let message = model::inert(&p.message).into_owned();
        match p.path == *path {
            true => format!("line {}, column {}: {message}", p.line, p.column),
            false => format!("{}, line {}: {message}", model::inert(&p.path), p.line),
        }
    };
    let mine: Vec<String> = all.iter().filter(|p| p.path == *path).map(told).collect();
    if let Some((first, rest)) = mine.split_first() {
        let failure = Failure::new(Kind::Content, format!("the rule has a mistake: {first}"));
        return Err(rest.iter().take(20).fold(failure, Failure::hint));
    }
    let others: Vec<String> =
        all.iter().filter(|p| p.path != *path && !known.contains(p)).map(told).collect();
    if let Some((first, rest)) = others.split_first() {
        let message = format!("another rule would not work any more: {first}");
        let failure = Failure::new(Kind::Conflict, message);
        return Err(rest.iter().take(20).fold(failure, Failure::hint));
    }
    if edit.text.is_none() {
        return Ok(());
    }
    let mut of_id = new.stages.rules.list().iter().filter(|info| *info.id == *edit.id).peekable();
    if of_id.peek().is_none() {
        return Err(Failure::new(Kind::Content, "the text holds no rule that loads"));
    }
    match of_id.find(|info| *info.path != *path) {
        None => Ok(()),
        Some(other) => {
            let other = model::inert(&other.path).into_owned();
            let message = format!("the id is taken by a rule of another kind in {other}");
            Err(Failure::new(Kind::Conflict, message).hint("give the rule an id of its own"))
        }
    }
}

/// What the audit trail keeps of a text: enough to know it again.
fn trace(text: &str, own: bool) -> Value {
    json!({ "sha256": Digest::of(text.as_bytes()), "bytes": text.len(), "saved_here": own })
}

/// Brings an edit to the disk, and to the audit trail before it is seen.
fn write(
    inner: &Inner,
    actor: &Actor,
    path: &Path,
    stands: Option<&Standing<'_>>,
    edit: &Edit,
) -> Result<(), Failure> {
    let action = if edit.text.is_some() { "rule.save" } else { "rule.remove" };
    let before = stands.map(|stands| trace(stands.text, stands.own));
    let after = edit.text.as_deref().map(|text| trace(text, true));
    replace(path, edit.text.as_deref(), || {
        let object = (ledger::Kind::Other, &*edit.id);
        let sides = (before, after);
        let noted = inner.ledger.audit().record(actor, crate::now(), action, object, sides);
        inner.runtime.block_on(noted).map(drop).map_err(from_ledger)
    })
}

/// Puts a text into the place of a file, or takes the file away: all of it or nothing. What must be written
/// down elsewhere before anybody sees it is written down when the text is on the disk.
pub(super) fn replace(
    path: &Path,
    text: Option<&str>,
    note: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let cannot = || system("cannot write the rule");
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = match text {
        Some(text) => {
            let mut named = tempfile::Builder::new();
            let mut file =
                named.prefix(".rule-").suffix(".part").tempfile_in(folder).map_err(cannot())?;
            file.write_all(text.as_bytes()).map_err(cannot())?;
            file.as_file().sync_all().map_err(cannot())?;
            Some(file)
        }
        None => None,
    };
    note()?;
    match file {
        Some(file) => drop(file.persist(path).map_err(|error| cannot()(error.error))?),
        None => fs::remove_file(path).map_err(cannot())?,
    }
    // The name must be on the disk too. Where folders cannot be synced the file system sees to it.
    let _synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_can_be_held_by_javascript_and_are_never_none() {
        for text in ["", "a", "b"] {
            assert!((1..1 << 53).contains(&version(text)));
        }
        assert_ne!(version("a"), version("b"));
    }
}
