//! `sources`: the known sources, and a definition held against its own samples.

use std::fs;
use std::path::{Path, PathBuf};

use model::Micros;
use normalize::{Context, Diagnostic, Normalizer, Sample, SampleResult, SourceText, check_source};

use crate::content::{Content, read_text};
use crate::failure::{Failure, Kind, system};

/// Samples are read as if they had arrived at this instant (2026-12-31T23:59:59Z), so that what is
/// expected of times without a year never changes.
pub const SAMPLE_TIME: Micros = Micros::from_seconds(1_798_761_599);

/// A sample file larger than this is refused: samples are read by people.
const SAMPLE_LIMIT: u64 = 8 << 20;

/// A definition that was checked.
#[derive(Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Mistakes of the definition itself.
    pub mistakes: Vec<Diagnostic>,
    /// What came of each sample.
    pub samples: Vec<SampleResult>,
}

impl Checked {
    /// True when there is nothing to mend.
    pub fn passed(&self) -> bool {
        self.mistakes.is_empty() && self.samples.iter().all(SampleResult::passed)
    }
}

/// The definitions of the content, as texts.
pub fn source_texts(content: &Content) -> Vec<SourceText> {
    content
        .below("sources")
        .filter(|(name, _)| name.ends_with("/source.yml"))
        .map(|(name, text)| SourceText {
            name: name.split('/').nth(1).unwrap_or(name).to_owned(),
            path: text.path.clone(),
            text: text.text.clone(),
        })
        .collect()
}

/// Compiles the content's definitions.
pub fn load_sources(content: &Content) -> (Normalizer, Vec<Diagnostic>) {
    Normalizer::compile(source_texts(content))
}

/// Checks the definition in `dir`, or every definition in the folders below it. With `accept`, what
/// the samples give now is written down as what is expected.
pub fn check_sources(content: &Content, dir: &Path, accept: bool) -> Result<Vec<Checked>, Failure> {
    let mut folders = Vec::new();
    if dir.join("source.yml").is_file() {
        folders.push(dir.to_owned());
    } else {
        let entries = fs::read_dir(dir).map_err(|error| {
            Failure::new(Kind::Nothing, format!("{}: cannot be read: {error}", dir.display()))
        })?;
        folders
            .extend(entries.flatten().map(|e| e.path()).filter(|p| p.join("source.yml").is_file()));
        folders.sort();
    }
    if folders.is_empty() {
        return Err(Failure::new(Kind::Nothing, format!("{}: no source.yml here", dir.display()))
            .hint("name a folder that holds a source.yml, or a folder of such folders"));
    }
    let read = |folder: &PathBuf| -> Result<SourceText, Failure> {
        let path = folder.join("source.yml");
        let text = read_text(&path).map_err(|problem| Failure::new(Kind::Content, problem))?;
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(SourceText { name, path: path.display().to_string(), text })
    };
    let texts = folders.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // The definitions beside it could take its records away, so they take part; a folder of one's own
    // replaces what is built in under the same name.
    let mut others = source_texts(content);
    others.retain(|other| !texts.iter().any(|text| text.name == other.name));
    others.extend(texts.iter().cloned());
    folders
        .into_iter()
        .zip(&texts)
        .map(|(folder, text)| check_one(folder, text, others.clone(), accept))
        .collect()
}

fn check_one(
    folder: PathBuf,
    source: &SourceText,
    others: Vec<SourceText>,
    accept: bool,
) -> Result<Checked, Failure> {
    let files = sample_files(&folder.join("samples"))?;
    let mut readings = Vec::new();
    for path in files {
        let size = fs::metadata(&path).map_or(0, |m| m.len());
        if size > SAMPLE_LIMIT {
            let message = format!("{}: larger than 8 MiB; samples are short", path.display());
            return Err(Failure::new(Kind::Content, message));
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = fs::read(&path).map_err(system("cannot read a sample"))?;
        let reading = parse::read_all(&bytes, &name);
        let expected = fs::read_to_string(expected_path(&path)).ok();
        readings.push((path, name, reading, expected));
    }
    let samples: Vec<Sample<'_>> = readings
        .iter()
        .map(|(_, name, reading, expected)| Sample {
            name: name.clone(),
            records: &reading.records,
            context: Context {
                parser: reading.format,
                received_at: SAMPLE_TIME,
                modified: Some(SAMPLE_TIME),
                origin: name,
                definition: None,
            },
            expected: expected.clone(),
        })
        .collect();
    let (mistakes, results) = check_source(source, others, &samples);
    if accept && mistakes.is_empty() {
        for ((path, ..), result) in readings.iter().zip(&results) {
            let text = serde_json::to_string_pretty(&result.actual)
                .map_err(|e| Failure::new(Kind::Defect, e.to_string()))?;
            fs::write(expected_path(path), text + "\n").map_err(system("cannot write events"))?;
        }
    }
    Ok(Checked { name: source.name.clone(), folder, mistakes, samples: results })
}

/// The samples of a folder: every file that is not a file of expected events.
fn sample_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(system("cannot list the samples"))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with(".events.json"))
        .collect();
    files.sort();
    Ok(files)
}

/// Where the expected events of a sample lie: `a.log` has `a.events.json`.
fn expected_path(sample: &Path) -> PathBuf {
    sample.with_extension("events.json")
}
