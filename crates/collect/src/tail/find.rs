//! Which files there are: patterns, and names that belong together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::place::{FileId, Stamp};

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern of paths: {why}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

/// `*` does not cross folders and takes names that begin with a dot only where the pattern says so.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What to look for.
pub(super) struct Patterns {
    paths: Vec<String>,
    exclude: Vec<Pattern>,
}

/// A file that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) stamp: Stamp,
}

impl Found {
    /// A regular file, also by way of a link; none when it is something else.
    pub(super) fn at(path: PathBuf) -> Option<Self> {
        // A name that was there a moment ago may be gone: then it is not found, and that is all.
        let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { path, id: FileId::of(&meta), stamp: Stamp::of(&meta) })
    }
}

impl Patterns {
    pub(super) fn new(paths: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let pattern = |text: &String| {
            Pattern::new(text)
                .map_err(|error| PatternError { pattern: text.clone(), why: error.to_string() })
        };
        for path in paths {
            pattern(path)?;
            if !Path::new(path).is_absolute() {
                let why = "a path begins with /".to_owned();
                return Err(PatternError { pattern: path.clone(), why });
            }
        }
        let exclude = exclude.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { paths: paths.to_owned(), exclude })
    }

    /// Every file that a pattern names, each once, `most` of them, and what could not be looked at.
    pub(super) fn find(&self, most: usize) -> (Vec<Found>, Vec<(PathBuf, String)>) {
        let (mut found, mut troubles) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        'all: for text in &self.paths {
            let pattern = match fs::metadata(text).is_ok_and(|meta| meta.is_dir()) {
                true => format!("{}/*", text.trim_end_matches('/')),
                false => text.clone(),
            };
            for path in glob::glob_with(&pattern, MATCH).into_iter().flatten() {
                let path = match path {
                    Ok(path) => path,
                    Err(error) => {
                        troubles.push((error.path().to_owned(), error.error().to_string()));
                        continue;
                    }
                };
                if self.is_out(&path) {
                    continue;
                }
                if let Some(file) = Found::at(path)
                    && seen.insert(file.id)
                {
                    if found.len() >= most {
                        let what = format!("more than {most} files: the rest is not followed");
                        troubles.push((PathBuf::from(text), what));
                        break 'all;
                    }
                    found.push(file);
                }
            }
        }
        (found, troubles)
    }

    fn is_out(&self, path: &Path) -> bool {
        self.exclude.iter().any(|pattern| match pattern.as_str().contains('/') {
            true => pattern.matches_path_with(path, MATCH),
            false => path.file_name().is_some_and(|n| pattern.matches(&n.to_string_lossy())),
        })
    }

    /// Folders in which something may happen.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        self.paths.iter().map(|text| folder(Path::new(text))).collect()
    }
}

/// The folder above the first part that is a pattern.
fn folder(path: &Path) -> PathBuf {
    let is_pattern =
        |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let parts: Vec<_> = path.components().collect();
    let plain = parts.iter().take_while(|part| !is_pattern(part)).count();
    // The last part is a file's name, unless it is a folder's.
    let depth =
        if plain == parts.len() && !path.is_dir() { plain.saturating_sub(1) } else { plain };
    parts.iter().take(depth).collect()
}

/// The files beside this one whose names say that they may be older states of it.
pub(super) fn beside(path: &Path) -> Vec<Found> {
    let Some(folder) = path.parent() else { return Vec::new() };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|other| related(path, other))
        .filter_map(Found::at)
        .collect()
}

/// True when two names are those of a log and its rotated form, in either order: `app.log` and
/// `app.log.1`, `app.log-20261127.gz`, `app-2026.log`.
pub(super) fn related(one: &Path, other: &Path) -> bool {
    let stem = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let end =
            name.char_indices().skip(1).find(|(_, c)| *c == '.').map_or(name.len(), |(i, _)| i);
        (name.get(..end).unwrap_or_default().to_owned(), name)
    };
    let ((stem_one, name_one), (stem_other, name_other)) = (stem(one), stem(other));
    one.parent() == other.parent()
        && (name_other.starts_with(&stem_one) || name_one.starts_with(&stem_other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_belong_together() {
        let related = |one: &str, other: &str| related(Path::new(one), Path::new(other));
        assert!(related("/l/app.log", "/l/app.log.1") && related("/l/app.log.2.gz", "/l/app.log"));
        assert!(
            related("/l/app.log", "/l/app-20261127.log") && related("/l/app.log", "/l/app.log")
        );
        assert!(!related("/l/app.log", "/m/app.log.1") && !related("/l/app.log", "/l/web.log"));
        assert!(related("/l/.app.log", "/l/.app.log.1"));
    }

    #[test]
    fn folders_to_listen_at() {
        let folder = |text: &str| folder(Path::new(text));
        assert_eq!(folder("/no/where/a.log"), PathBuf::from("/no/where"));
        assert_eq!(folder("/no/where/*.log"), PathBuf::from("/no/where"));
        assert_eq!(folder("/no/**/*.log"), PathBuf::from("/no"));
        assert_eq!(folder("/"), PathBuf::from("/"));
    }
}
