//! Findings in time order, however many there are: sorted stretches in temporary files, merged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::{
    Entity, EventUid, Finding, FindingId, FindingKind, Level, MatchedField, Micros, Tactic,
    Technique, Window,
};
use serde::{Deserialize, Serialize};

/// Findings held in memory before a stretch is written out.
const HELD: usize = 20_000;
/// Bytes of a stretch that are read or written at a time.
const BUFFER: usize = 256 << 10;

/// Takes findings in any order, from any thread.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    held: Mutex<Vec<Finding>>,
    stretches: Mutex<Vec<Stretch>>,
}

impl Spill {
    /// A spill whose temporary files (unnamed) lie in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Mutex::default(), stretches: Mutex::default() }
    }

    /// Adds findings, leaving `findings` empty. Whoever brings the last of a stretch writes it out; the
    /// others go on.
    pub(crate) fn add(&self, findings: &mut Vec<Finding>) -> io::Result<()> {
        let full = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.append(findings);
            if held.len() < HELD {
                return Ok(());
            }
            std::mem::take(&mut *held)
        };
        let stretch = Stretch::write(full, &self.folder)?;
        self.stretches.lock().unwrap_or_else(PoisonError::into_inner).push(stretch);
        Ok(())
    }

    /// All findings by time, those of one instant by id.
    pub(crate) fn sorted(self) -> io::Result<Sorted> {
        let mut held = self.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stretches = self.stretches.into_inner().unwrap_or_else(PoisonError::into_inner);
        if stretches.is_empty() {
            held.sort_unstable_by_key(order);
            return Ok(Sorted::Held(held.into_iter()));
        }
        held.sort_unstable_by_key(order);
        let mut merge = Merge { stretches, held: held.into_iter(), heads: BinaryHeap::new() };
        for place in 0..=merge.stretches.len() {
            merge.refill(place)?;
        }
        Ok(Sorted::Merged(merge))
    }
}

fn order(finding: &Finding) -> (Micros, FindingId) {
    (finding.time, finding.finding_id)
}

/// Findings in order, in a file.
#[derive(Debug)]
struct Stretch {
    file: BufReader<File>,
    /// By the number under which the file names them.
    rules: Vec<Arc<Common>>,
    bytes: Vec<u8>,
}

impl Stretch {
    fn write(mut findings: Vec<Finding>, folder: &Path) -> io::Result<Self> {
        findings.sort_unstable_by_key(order);
        let mut file = tempfile::tempfile_in(folder)?;
        let mut writer = BufWriter::with_capacity(BUFFER, &mut file);
        let mut numbers: HashMap<Arc<Common>, u32> = HashMap::new();
        let mut rules = Vec::new();
        let mut bytes = Vec::new();
        for finding in findings {
            let (rule, mut rest) = apart(finding);
            rest.rule = match numbers.get(&rule) {
                Some(number) => *number,
                None => {
                    let (rule, number) = (Arc::new(rule), rules.len() as u32);
                    rules.push(Arc::clone(&rule));
                    numbers.insert(rule, number);
                    number
                }
            };
            bytes.clear();
            bytes = postcard::to_extend(&rest, bytes).map_err(io::Error::other)?;
            writer.write_all(&(bytes.len() as u64).to_le_bytes())?;
            writer.write_all(&bytes)?;
        }
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(Self { file: BufReader::with_capacity(BUFFER, file), rules, bytes })
    }

    fn next(&mut self) -> io::Result<Option<Finding>> {
        let mut length = [0; 8];
        match self.file.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        self.bytes.clear();
        let length = u64::from_le_bytes(length);
        self.file.by_ref().take(length).read_to_end(&mut self.bytes)?;
        let rest: Rest = postcard::from_bytes(&self.bytes).map_err(io::Error::other)?;
        let rule = self.rules.get(rest.rule as usize).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(together(rule, rest)))
    }
}

/// What findings of one rule share: it stays in memory, once.
#[derive(Debug, PartialEq, Eq)]
struct Common {
    kind: FindingKind,
    rule_id: Arc<str>,
    rule_version: Arc<str>,
    rule_title: Arc<str>,
    description: Arc<str>,
    level: Level,
    tactics: Vec<Tactic>,
    techniques: Vec<Technique>,
    source: Arc<str>,
}

impl Hash for Common {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // These tell rules apart; the rest follows from them, nearly always.
        (&self.rule_id, &self.rule_version, &self.source).hash(state);
    }
}

/// What is a finding's own.
#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    rule: u32,
    finding_id: [u8; 16],
    time: i64,
    event_uids: Vec<[u8; 16]>,
    entities: Vec<Entity>,
    matched_fields: Vec<(Arc<str>, Arc<str>, Option<Arc<str>>)>,
    window: Option<Window>,
    labels: Vec<Arc<str>>,
}

fn apart(finding: Finding) -> (Common, Rest) {
    let Finding {
        finding_id,
        kind,
        rule_id,
        rule_version,
        rule_title,
        description,
        level,
        time,
        event_uids,
        entities,
        tactics,
        techniques,
        matched_fields,
        window,
        source,
        labels,
    } = finding;
    let fields = matched_fields.into_iter().map(|f| (f.field, f.value, f.pattern));
    let rest = Rest {
        rule: 0,
        finding_id: finding_id.0,
        time: time.0,
        event_uids: event_uids.into_iter().map(|uid| uid.0).collect(),
        entities,
        matched_fields: fields.collect(),
        window,
        labels,
    };
    let rule = Common {
        kind,
        rule_id,
        rule_version,
        rule_title,
        description,
        level,
        tactics,
        techniques,
        source,
    };
    (rule, rest)
}

fn together(rule: &Common, rest: Rest) -> Finding {
    let fields = rest.matched_fields.into_iter();
    Finding {
        finding_id: FindingId(rest.finding_id),
        kind: rule.kind,
        rule_id: rule.rule_id.clone(),
        rule_version: rule.rule_version.clone(),
        rule_title: rule.rule_title.clone(),
        description: rule.description.clone(),
        level: rule.level,
        time: Micros(rest.time),
        event_uids: rest.event_uids.into_iter().map(EventUid).collect(),
        entities: rest.entities,
        tactics: rule.tactics.clone(),
        techniques: rule.techniques.clone(),
        matched_fields: fields
            .map(|(field, value, pattern)| MatchedField { field, value, pattern })
            .collect(),
        window: rest.window,
        source: rule.source.clone(),
        labels: rest.labels,
    }
}

/// Findings in order.
pub(crate) enum Sorted {
    /// They were few enough to stay in memory.
    Held(std::vec::IntoIter<Finding>),
    Merged(Merge),
}

pub(crate) struct Merge {
    stretches: Vec<Stretch>,
    /// Those that filled no stretch.
    held: std::vec::IntoIter<Finding>,
    heads: BinaryHeap<Reverse<Head>>,
}

struct Head {
    key: (Micros, FindingId),
    place: usize,
    finding: Finding,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.place) == (other.key, other.place)
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.key, self.place).cmp(&(other.key, other.place))
    }
}

impl Merge {
    fn refill(&mut self, place: usize) -> io::Result<()> {
        let next = match self.stretches.get_mut(place) {
            Some(stretch) => stretch.next()?,
            None => self.held.next(),
        };
        if let Some(finding) = next {
            self.heads.push(Reverse(Head { key: order(&finding), place, finding }));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Finding>;

    fn next(&mut self) -> Option<Self::Item> {
        let merge = match self {
            Self::Held(held) => return held.next().map(Ok),
            Self::Merged(merge) => merge,
        };
        let Reverse(head) = merge.heads.pop()?;
        match merge.refill(head.place) {
            Ok(()) => Some(Ok(head.finding)),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::EntityKind;

    fn finding(n: i64) -> Finding {
        let uid = EventUid([n as u8; 16]);
        let text = |what: &str| Arc::from(format!("{what} {}", n % 7));
        let wanted = (n % 5 == 0).then(|| text("wanted"));
        Finding {
            finding_id: Finding::derive_id(&n.to_string(), "1", None, &[uid]),
            kind: if n % 3 == 0 { FindingKind::Correlation } else { FindingKind::Sigma },
            rule_id: text("rule"),
            rule_version: "1".into(),
            rule_title: text("title"),
            description: text("looks for"),
            level: if n % 2 == 0 { Level::Low } else { Level::Critical },
            time: Micros(n * 7919 % 1009),
            event_uids: vec![uid; (n % 3) as usize],
            entities: vec![Entity::new(EntityKind::User, &n.to_string())],
            tactics: vec![Tactic::Execution],
            techniques: vec![Technique(text("T"))],
            matched_fields: vec![MatchedField {
                field: text("field"),
                value: text("value"),
                pattern: wanted,
            }],
            window: (n % 3 == 0).then(|| Window {
                start: Micros(n),
                end: Micros(-n),
                group: vec![(text("field"), text("value"))],
                count: n as u64,
            }),
            source: text("source"),
            labels: vec![text("site")],
        }
    }

    #[test]
    fn what_went_to_disk_comes_back_whole_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let numbers: Vec<i64> = (0..HELD as i64 * 5 / 2).collect();
        let spill = Spill::new(folder.path());
        for part in numbers.chunks(777) {
            let mut findings: Vec<_> = part.iter().map(|n| finding(*n)).collect();
            spill.add(&mut findings).unwrap();
            assert!(findings.is_empty());
        }
        assert_eq!(spill.stretches.lock().unwrap().len(), 2);
        let got: Vec<_> = spill.sorted().unwrap().map(Result::unwrap).collect();
        let mut want: Vec<_> = numbers.into_iter().map(finding).collect();
        want.sort_unstable_by_key(order);
        assert!(got == want);
    }
}
