//! Findings in time order, however many there are: sorted stretches in temporary files, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use model::{Finding, FindingId, Micros};

/// Findings held in memory before a stretch is written out.
const HELD: usize = 20_000;

/// Takes findings in any order.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    held: Vec<Finding>,
    stretches: Vec<File>,
}

impl Spill {
    /// A spill whose temporary files (unnamed) lie in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Vec::new(), stretches: Vec::new() }
    }

    /// Adds findings, leaving `findings` empty.
    pub(crate) fn add(&mut self, findings: &mut Vec<Finding>) -> io::Result<()> {
        self.held.append(findings);
        if self.held.len() >= HELD {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.held.sort_unstable_by_key(order);
        let mut file = tempfile::tempfile_in(&self.folder)?;
        let mut writer = BufWriter::with_capacity(1 << 20, &mut file);
        for finding in self.held.drain(..) {
            serde_json::to_writer(&mut writer, &finding)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        self.stretches.push(file);
        Ok(())
    }

    /// All findings by time, those of one instant by id.
    pub(crate) fn sorted(mut self) -> io::Result<Sorted> {
        if self.stretches.is_empty() {
            self.held.sort_unstable_by_key(order);
            return Ok(Sorted { held: self.held.into_iter(), merge: None });
        }
        self.write_out()?;
        let readers = self.stretches.into_iter().map(BufReader::new).collect();
        let mut merge = Merge { readers, heads: BinaryHeap::new() };
        for place in 0..merge.readers.len() {
            merge.refill(place)?;
        }
        Ok(Sorted { held: Vec::new().into_iter(), merge: Some(merge) })
    }
}

fn order(finding: &Finding) -> (Micros, FindingId) {
    (finding.time, finding.finding_id)
}

/// Findings in order.
pub(crate) struct Sorted {
    held: std::vec::IntoIter<Finding>,
    merge: Option<Merge>,
}

struct Merge {
    readers: Vec<BufReader<File>>,
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
        let Some(reader) = self.readers.get_mut(place) else { return Ok(()) };
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? > 0 {
            let finding: Finding = serde_json::from_slice(&line)?;
            self.heads.push(Reverse(Head { key: order(&finding), place, finding }));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Finding>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(merge) = &mut self.merge else { return self.held.next().map(Ok) };
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
    use model::{EventUid, FindingKind, Level};

    fn finding(n: i64) -> Finding {
        let uid = EventUid([n as u8; 16]);
        Finding {
            finding_id: Finding::derive_id(&n.to_string(), "1", None, &[uid]),
            kind: FindingKind::Sigma,
            rule_id: "r".into(),
            rule_version: "1".into(),
            rule_title: "t".into(),
            description: "d".into(),
            level: Level::Low,
            time: Micros(n * 7919 % 1009),
            event_uids: vec![uid],
            entities: vec![],
            tactics: vec![],
            techniques: vec![],
            matched_fields: vec![],
            window: None,
            source: "s".into(),
            labels: vec![],
        }
    }

    #[test]
    fn what_went_to_disk_comes_back_in_the_order_of_what_stayed() {
        let folder = tempfile::tempdir().unwrap();
        let numbers: Vec<i64> = (0..HELD as i64 * 5 / 2).collect();
        let mut spill = Spill::new(folder.path());
        for part in numbers.chunks(777) {
            let mut findings: Vec<_> = part.iter().map(|n| finding(*n)).collect();
            spill.add(&mut findings).unwrap();
            assert!(findings.is_empty());
        }
        assert_eq!(spill.stretches.len(), 2);
        let got: Vec<_> = spill.sorted().unwrap().map(|f| order(&f.unwrap())).collect();
        let mut want: Vec<_> = numbers.iter().map(|n| order(&finding(*n))).collect();
        want.sort_unstable();
        assert_eq!(got, want);
    }
}
