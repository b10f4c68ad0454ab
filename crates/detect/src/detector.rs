//! Evaluation: one event against the rules of its log source.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Entity, EventUid, Finding, FindingKind, LogSource, Micros, Value};
use rustc_hash::FxHashMap;

use crate::ask::{Content, Test};
use crate::correlate::{Hit, HitStore};
use crate::expr::Expr;
use crate::leaves::{self, Chain, Leaves, Walker};
use crate::matched;
use crate::members;
use crate::program::{Lookup, Program, Trigger};
use crate::rules::Rules;
use crate::table::Table;

/// What detection needs of an event. It borrows everything.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The source's own fields.
    pub native: &'a Value<'a>,
    /// The exact bytes of the record; empty where the format has no textual form.
    pub raw: &'a [u8],
    /// What kind of log it comes from, by its source definition.
    pub logsource: &'a LogSource,
    /// Its id.
    pub uid: EventUid,
    /// When it happened.
    pub time: Micros,
    /// Name of the source definition; empty when none knew it.
    pub source: &'a Arc<str>,
    /// Name of the parser.
    pub parser: &'a str,
    /// Its normalised form, from which findings take their entities.
    pub event: &'a ocsf::Event<'a>,
}

/// Evaluates events. One for each thread: what it remembers is memory to be used again and hits
/// of rules that correlations refer to.
#[derive(Debug)]
pub struct Detector {
    rules: Arc<Rules>,
    lanes: Vec<Lane>,
    lane_numbers: FxHashMap<LogSource, usize>,
    last: usize,
    leaves: Leaves<'static>,
    hits: HitStore,
}

/// A program with the memory that evaluating it takes.
#[derive(Debug)]
struct Lane {
    logsource: LogSource,
    program: Arc<Program>,
    scratch: Scratch,
}

/// Everything here is empty or unknown between two events.
#[derive(Debug, Default)]
struct Scratch {
    /// For each field, its values.
    chains: Vec<Chain>,
    /// Fields that have values.
    seen: Vec<u32>,
    /// For each question, what is known of it.
    answers: Vec<Answer>,
    /// Questions of which something is known.
    asked: Vec<u32>,
    /// Rules to look at, maybe several times.
    candidates: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unknown,
    No,
    Yes,
}

impl Detector {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        let hits = HitStore::new(rules.hit_limit());
        Self {
            rules,
            lanes: Vec::new(),
            lane_numbers: FxHashMap::default(),
            last: 0,
            leaves: Leaves::default(),
            hits,
        }
    }

    /// Adds the findings of one event to `findings`, in the order of the rules.
    pub fn evaluate(&mut self, view: &View<'_>, findings: &mut Vec<Finding>) {
        let number = self.lane(view.logsource);
        let Some(lane) = self.lanes.get_mut(number) else { return };
        if lane.program.rules.is_empty() {
            return;
        }
        let mut leaves = std::mem::take(&mut self.leaves).recycle();
        let scratch = &mut lane.scratch;
        gather(&lane.program, scratch, &mut leaves, view);
        look_up(&lane.program, self.rules.table(), scratch, &leaves, view.native);
        scratch.candidates.extend_from_slice(&lane.program.always);
        scratch.candidates.sort_unstable();
        scratch.candidates.dedup();
        let candidates = std::mem::take(&mut scratch.candidates);
        let mut entities = None;
        for candidate in &candidates {
            let Some((rule, expr)) = lane.program.rules.get(*candidate as usize) else { continue };
            let mut asker = Asker {
                program: &lane.program,
                table: self.rules.table(),
                scratch,
                leaves: &leaves,
                native: view.native,
            };
            if asker.holds(expr) {
                found(
                    &self.rules,
                    *rule,
                    expr,
                    &mut asker,
                    view,
                    &mut entities,
                    findings,
                    &mut self.hits,
                );
            }
        }
        scratch.reset(candidates);
        self.leaves = leaves.recycle();
    }

    /// The hits that correlations need, taken out.
    pub fn take_hits(&mut self) -> Vec<Hit> {
        self.hits.take()
    }

    /// How many hits were left out because a rule had more than [`Rules::hit_limit`]: always the
    /// latest ones, whatever the number of threads.
    pub fn hits_left_out(&self) -> u64 {
        self.hits.left_out()
    }

    fn lane(&mut self, logsource: &LogSource) -> usize {
        if self.lanes.get(self.last).is_some_and(|lane| lane.logsource == *logsource) {
            return self.last;
        }
        if let Some(number) = self.lane_numbers.get(logsource) {
            self.last = *number;
            return self.last;
        }
        let program = self.rules.program(logsource);
        let scratch = Scratch {
            chains: vec![Chain::ABSENT; program.fields.len()],
            answers: vec![Answer::Unknown; program.questions.len()],
            ..Scratch::default()
        };
        self.last = self.lanes.len();
        self.lanes.push(Lane { logsource: logsource.clone(), program, scratch });
        self.lane_numbers.insert(logsource.clone(), self.last);
        self.last
    }
}

impl Scratch {
    fn reset(&mut self, mut candidates: Vec<u32>) {
        for field in self.seen.drain(..) {
            if let Some(chain) = self.chains.get_mut(field as usize) {
                *chain = Chain::ABSENT;
            }
        }
        for ask in self.asked.drain(..) {
            if let Some(answer) = self.answers.get_mut(ask as usize) {
                *answer = Answer::Unknown;
            }
        }
        candidates.clear();
        self.candidates = candidates;
    }

    fn answer(&mut self, ask: u32, answer: Answer) {
        if let Some(known) = self.answers.get_mut(ask as usize) {
            *known = answer;
            self.asked.push(ask);
        }
    }
}

/// Finds the values of every field that the program names.
fn gather<'a>(program: &Program, scratch: &mut Scratch, leaves: &mut Leaves<'a>, view: &View<'a>) {
    let mut add = |field: u32, content: Content<'a>| {
        let Some(chain) = scratch.chains.get_mut(field as usize) else { return };
        if chain.is_absent() {
            scratch.seen.push(field);
        }
        let texty = program.fields.get(field as usize).is_some_and(|field| field.texty);
        leaves.push(chain, content, texty);
    };
    Walker { names: &program.names, found: &mut add }.record(view.native);
    if let Some(keywords) = program.keywords {
        leaves::texts(view.native, &mut |text| {
            add(keywords, Content::Text(Cow::Borrowed(text)));
        });
        if !view.raw.is_empty() && !matches!(view.parser, "json" | "evtx") {
            add(keywords, Content::Text(String::from_utf8_lossy(view.raw)));
        }
    }
}

/// Asks the lookups of every field that has values; what they find names rules to look at.
fn look_up(
    program: &Program,
    table: &Table,
    scratch: &mut Scratch,
    leaves: &Leaves<'_>,
    native: &Value<'_>,
) {
    let seen = std::mem::take(&mut scratch.seen);
    let mut triggers: Vec<Trigger> = Vec::new();
    for field in &seen {
        let lookup = program.fields.get(*field as usize).and_then(|field| field.lookup.as_ref());
        let Some(lookup) = lookup else { continue };
        let chain = scratch.chains.get(*field as usize).copied().unwrap_or(Chain::ABSENT);
        for leaf in leaves.chain(chain) {
            look_up_leaf(lookup, &leaf.content, leaves.low(leaf), &mut |trigger: &Trigger| {
                triggers.push(*trigger);
            });
        }
        triggers.extend_from_slice(&lookup.present);
    }
    scratch.seen = seen;
    for trigger in triggers {
        let Some(question) = program.questions.get(trigger.ask as usize) else { continue };
        match scratch.answers.get(trigger.ask as usize) {
            Some(Answer::Unknown) => {}
            _ => continue,
        }
        let holds =
            trigger.sure || Asker { program, table, scratch, leaves, native }.compute(question);
        scratch.answer(trigger.ask, if holds { Answer::Yes } else { Answer::No });
        if holds {
            scratch.candidates.extend_from_slice(&question.rules);
        }
    }
}

fn look_up_leaf(
    lookup: &Lookup,
    content: &Content<'_>,
    low: &str,
    found: &mut impl FnMut(&Trigger),
) {
    if matches!(content, Content::Null | Content::Hollow) {
        return;
    }
    if !lookup.numbers.is_empty()
        && let Some(number) = content.number()
    {
        let bits = crate::ask::Number::new(number).get().to_bits();
        lookup.numbers.get(&bits).into_iter().flatten().for_each(&mut *found);
    }
    if !lookup.exact.is_empty() {
        lookup.exact.get(low).into_iter().flatten().for_each(&mut *found);
    }
    lookup.starts.find(low.as_bytes(), found);
    lookup.ends.find(low.as_bytes(), found);
    if !lookup.needles.is_empty() {
        lookup.needles.scan(low.as_bytes(), found);
        if !lookup.patterns.is_empty() && !low.is_ascii() {
            lookup.patterns.iter().for_each(found);
        }
    }
}

/// Answers questions about one event, each at most once.
pub(crate) struct Asker<'e, 'a> {
    program: &'e Program,
    table: &'e Table,
    scratch: &'e mut Scratch,
    leaves: &'e Leaves<'a>,
    native: &'e Value<'a>,
}

impl<'e> Asker<'e, '_> {
    /// True when the tree holds.
    pub(crate) fn holds(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::Fixed(truth) => *truth,
            Expr::Ask(ask) => self.ask(*ask),
            Expr::Not(part) => !self.holds(part),
            Expr::All(parts) => parts.iter().all(|part| self.holds(part)),
            Expr::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Expr::AtLeast(count, parts) => {
                let mut missing = *count as usize;
                missing == 0
                    || parts.iter().any(|part| {
                        missing -= usize::from(self.holds(part));
                        missing == 0
                    })
            }
            Expr::Members(number) => self
                .table
                .get_members(*number)
                .is_some_and(|members| members::holds(members, self.native, self.table)),
        }
    }

    fn ask(&mut self, ask: u32) -> bool {
        match self.scratch.answers.get(ask as usize) {
            Some(Answer::Yes) => return true,
            Some(Answer::No) | None => return false,
            Some(Answer::Unknown) => {}
        }
        let Some(question) = self.program.questions.get(ask as usize) else { return false };
        if question.answered {
            return false;
        }
        let holds = self.compute(question);
        self.scratch.answer(ask, if holds { Answer::Yes } else { Answer::No });
        holds
    }

    fn compute(&self, question: &crate::program::Question) -> bool {
        let Some(ask) = self.table.get(question.ask) else { return false };
        let chain = self.chain(question.field);
        match &ask.test {
            Test::Exists => {
                self.leaves.chain(chain).any(|leaf| !matches!(leaf.content, Content::Null))
            }
            Test::Null => self.leaves.chain(chain).all(|leaf| leaf.content.is_nothing()),
            Test::Other { how, cased, .. } => {
                let others = self.chain(question.other);
                self.leaves.chain(chain).filter(|leaf| !leaf.content.is_nothing()).any(|leaf| {
                    let low = self.leaves.low(leaf);
                    self.leaves.chain(others).filter(|leaf| !leaf.content.is_nothing()).any(
                        |other| {
                            let wanted = self.leaves.low(other);
                            if *cased {
                                how.holds(leaf.content.spelled(low), other.content.spelled(wanted))
                            } else {
                                how.holds(low, wanted)
                            }
                        },
                    )
                })
            }
            test => self
                .leaves
                .chain(chain)
                .any(|leaf| test.holds(&leaf.content, self.leaves.low(leaf))),
        }
    }

    fn chain(&self, field: u32) -> Chain {
        self.scratch.chains.get(field as usize).copied().unwrap_or(Chain::ABSENT)
    }

    /// A question in the table's words, with the values of its field that answer it.
    pub(crate) fn witnesses(&self, ask: u32) -> Option<(u32, &'e Test, Vec<String>)> {
        let question = self.program.questions.get(ask as usize)?;
        let known = self.table.get(question.ask)?;
        let spelled =
            |leaf: &leaves::Leaf<'_>| leaf.content.spelled(self.leaves.low(leaf)).to_owned();
        let values = self
            .leaves
            .chain(self.chain(question.field))
            .filter(|leaf| match &known.test {
                Test::Exists | Test::Null | Test::Other { .. } => true,
                test => test.holds(&leaf.content, self.leaves.low(leaf)),
            })
            .map(spelled)
            .collect();
        Some((known.field, &known.test, values))
    }

    /// The first value of a field of the table, as spelled.
    pub(crate) fn first_value(&self, field: u32) -> Option<String> {
        let local = self.program.fields.iter().position(|known| known.number == field)?;
        let chain = self.chain(local as u32);
        self.leaves
            .chain(chain)
            .find(|leaf| !leaf.content.is_nothing() && !matches!(leaf.content, Content::Hollow))
            .map(|leaf| leaf.content.spelled(self.leaves.low(leaf)).to_owned())
    }

    /// The names of fields.
    pub(crate) fn table(&self) -> &'e Table {
        self.table
    }
}

/// Writes down that a rule holds: a finding, and a hit where a correlation counts the rule.
#[allow(clippy::too_many_arguments)] // One caller; a struct would only name the same things again.
fn found(
    rules: &Rules,
    rule: u32,
    expr: &Expr,
    asker: &mut Asker<'_, '_>,
    view: &View<'_>,
    entities: &mut Option<Arc<[Entity]>>,
    findings: &mut Vec<Finding>,
    hits: &mut HitStore,
) {
    let Some(info) = rules.rule(rule).map(|rule| &rule.info) else { return };
    let entities = entities.get_or_insert_with(|| view.event.entities().into());
    if let Some(fields) = rules.watched(rule) {
        let values = fields
            .iter()
            .map(|field| asker.first_value(*field).map(String::into_boxed_str))
            .collect();
        hits.push(Hit {
            rule,
            time: view.time,
            uid: view.uid,
            values,
            entities: entities.clone(),
            source: view.source.clone(),
        });
    }
    if !info.speaks {
        return;
    }
    let matched_fields = matched::fields(expr, asker);
    findings.push(Finding {
        finding_id: Finding::derive_id(&info.id, &info.version, None, &[view.uid]),
        kind: FindingKind::Sigma,
        rule_id: info.id.clone(),
        rule_version: info.version.clone(),
        rule_title: info.title.clone(),
        description: info.description.clone(),
        level: info.level,
        time: view.time,
        event_uids: vec![view.uid],
        entities: entities.to_vec(),
        tactics: info.tactics.clone(),
        techniques: info.techniques.clone(),
        matched_fields,
        window: None,
        source: view.source.clone(),
    });
}
