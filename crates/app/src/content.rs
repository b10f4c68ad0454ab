//! Content: what a responder edits without compiling. The built-in content is overlaid by the
//! user's own folder, file by file: a file of the same name replaces the built-in one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/content.rs"));

/// One file of content larger than this is refused: nobody writes a rule of that size by hand.
const FILE_LIMIT: u64 = 4 << 20;
/// So few files are not worth a thread.
const FEW: usize = 64;

/// Files of content by their name below the content folder (`rules/okta/mfa_fatigue.yml`).
#[derive(Debug, Clone, Default)]
pub struct Content {
    files: BTreeMap<String, Text>,
    /// Files that could not be read, and why.
    pub problems: Vec<String>,
}

/// A content file's text, and where it came from.
#[derive(Debug, Clone)]
pub struct Text {
    /// What a person would open to edit it; built-in files are named `built-in:NAME`.
    pub path: String,
    /// The text.
    pub text: String,
}

impl Content {
    /// The content that is built in.
    pub fn built_in() -> Self {
        let text = |name: &str, text: &str| Text {
            path: format!("built-in:{name}"),
            text: text.to_owned(),
        };
        let files =
            FILES.iter().map(|(name, body)| ((*name).to_owned(), text(name, body))).collect();
        Self { files, problems: Vec::new() }
    }

    /// The content that is built in, with the user's own folder over it where there is one.
    pub fn of(folder: Option<&Path>) -> Self {
        match folder {
            Some(folder) => Self::built_in().overlaid(folder),
            None => Self::built_in(),
        }
    }

    /// Lays a folder with `sources/`, `rules/`, `hunts/` … over what is there.
    #[must_use]
    pub fn overlaid(mut self, folder: &Path) -> Self {
        for path in yaml_files(folder, &mut self.problems) {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if name.split('/').any(|part| part == "samples") {
                continue;
            }
            match read_text(&path) {
                Ok(text) => {
                    self.files.insert(name, Text { path: path.display().to_string(), text });
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        self
    }

    /// The files below a folder, in order of their names.
    pub fn below<'c>(&'c self, folder: &'c str) -> impl Iterator<Item = (&'c str, &'c Text)> {
        self.files
            .iter()
            .filter(move |(name, _)| name.strip_prefix(folder).is_some_and(|n| n.starts_with('/')))
            .map(|(name, text)| (name.as_str(), text))
    }
}

/// Reads every YAML file below the given files and folders, in order. A rule set is thousands of small
/// files, and a person waits for them: they are read on every core.
pub(crate) fn read_yaml(paths: &[PathBuf], problems: &mut Vec<String>) -> Vec<Text> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.append(&mut yaml_files(path, problems));
        } else {
            files.push(path.clone());
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let part = files.len().div_ceil(cores).max(FEW);
    let texts = |part: &[PathBuf]| part.iter().map(|path| read_text(path)).collect::<Vec<_>>();
    let read: Vec<_> = std::thread::scope(|scope| {
        let mut parts = files.chunks(part);
        let first = parts.next().unwrap_or_default();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || texts(part))).collect();
        let mut read = texts(first);
        for other in others {
            read.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        read
    });
    let mut texts = Vec::with_capacity(files.len());
    for (path, read) in files.iter().zip(read) {
        match read {
            Ok(text) => texts.push(Text { path: path.display().to_string(), text }),
            Err(problem) => problems.push(problem),
        }
    }
    texts
}

/// Reads a text file that a person wrote, bounded.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let say = |what: String| format!("{}: {what}", path.display());
    let mut bytes = Vec::new();
    let mut file = fs::File::open(path).map_err(|e| say(format!("cannot be read: {e}")))?;
    let read = file.by_ref().take(FILE_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|e| say(format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(say("is larger than 4 MiB, where content files end".to_owned()));
    }
    String::from_utf8(bytes)
        .map_err(|e| say(format!("is not UTF-8 text (byte {})", e.utf8_error().valid_up_to())))
}

/// Whether a file is read as content, by its name.
pub(crate) fn is_content(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

fn yaml_files(folder: &Path, problems: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(format!("{}: cannot be read: {error}", folder.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if is_content(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_users_file_replaces_the_built_in_one_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut content = Content::default();
        let text = |t: &str| Text { path: String::new(), text: t.to_owned() };
        content.files.insert("rules/a.yml".into(), text("built in"));
        content.files.insert("rules/b.yml".into(), text("kept"));
        fs::create_dir_all(folder.path().join("rules")).unwrap();
        fs::write(folder.path().join("rules/a.yml"), "mine").unwrap();
        fs::write(folder.path().join("rules/c.yml"), [0xff, 0xfe]).unwrap();
        let content = content.overlaid(folder.path());
        let texts: Vec<_> = content.below("rules").map(|(_, t)| t.text.as_str()).collect();
        assert_eq!(texts, ["mine", "kept"]);
        assert!(content.problems[0].contains("not UTF-8"));
    }
}
