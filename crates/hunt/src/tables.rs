//! The tables and views that a query sees.
//!
//! `events` shows more than is stored: the id of an event, its observables and its native fields are
//! made when they are asked for. Each OCSF class has a view of its events with the columns that mean
//! something for it. `--since` and `--until` are part of every table that has a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col, lit};
use lake::{SnapshotTable, Table};
use model::Micros;
use ocsf::Class;

use crate::functions::{event_uid, observable_columns, observables};
use crate::hunt::Between;

/// Name of the catalog; people never write it.
pub(crate) const CATALOG: &str = "watchfloor";
/// Name of the schema; people never write it.
pub(crate) const SCHEMA: &str = "lake";

/// Columns that every class view begins with.
const FIRST: [&str; 7] =
    ["time", "class_name", "activity_name", "severity", "severity_id", "status", "message"];
/// Columns that every class view ends with.
const LAST: [&str; 10] = [
    "logsource_product",
    "logsource_category",
    "logsource_service",
    "definition",
    "parser",
    "parcel_digest",
    "parcel_offset",
    "ocsf_extra",
    "native",
    "raw_data",
];

/// Everything that a query can name.
#[derive(Debug)]
pub(crate) struct Tables {
    snapshots: BTreeMap<&'static str, Arc<SnapshotTable>>,
    lists: BTreeMap<String, Arc<dyn TableProvider>>,
    between: Between,
}

impl Tables {
    pub(crate) fn new(
        snapshots: &BTreeMap<&'static str, Arc<SnapshotTable>>,
        lists: &BTreeMap<String, Arc<dyn TableProvider>>,
        between: Between,
    ) -> Self {
        Self { snapshots: snapshots.clone(), lists: lists.clone(), between }
    }

    fn find(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(list) = self.lists.get(name) {
            return Ok(Some(Arc::clone(list)));
        }
        if let Some(snapshot) = self.snapshots.get(name) {
            return Ok(Some(view(self.table(snapshot)?)));
        }
        let Some(class) = class_view(name) else { return Ok(None) };
        let Some(events) = self.snapshots.get(Table::Events.name()) else { return Ok(None) };
        let of_class = col("class_uid").eq(lit(i64::from(class.uid)));
        let plan = LogicalPlanBuilder::from(self.table(events)?)
            .filter(of_class)?
            .project(class_columns(class).map(col))?
            .build()?;
        Ok(Some(view(plan)))
    }

    /// A table between the two instants.
    fn table(&self, snapshot: &Arc<SnapshotTable>) -> Result<LogicalPlan> {
        let table = snapshot.table();
        let source = provider_as_source(Arc::clone(snapshot) as Arc<dyn TableProvider>);
        let mut plan = LogicalPlanBuilder::scan(table.name(), source, None)?;
        if let Some(time) = table.time_column() {
            if let Some(since) = self.between.since {
                plan = plan.filter(col(time).gt_eq(instant(since)))?;
            }
            if let Some(until) = self.between.until {
                plan = plan.filter(col(time).lt(instant(until)))?;
            }
        }
        if table == Table::Events {
            plan = plan.project(event_columns())?;
        }
        plan.build()
    }
}

fn view(plan: LogicalPlan) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(plan, None))
}

fn instant(time: Micros) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into())))
}

/// The columns of `events`: what is stored, and what is made of it.
fn event_columns() -> Vec<Expr> {
    let uid = event_uid().call(vec![
        col("parcel_digest"),
        cast(col("parcel_offset"), DataType::Int64),
        cast(col("parcel_index"), DataType::Int64),
    ]);
    let mut columns = vec![uid.alias("event_uid")];
    for field in Table::Events.file_schema().fields() {
        match field.name().as_str() {
            "native" => {
                let observed = observable_columns().into_iter().map(|c| col(c.name)).collect();
                columns.push(observables().call(observed).alias("observables"));
                let native = coalesce(vec![col("native"), col("raw_data")]);
                columns.push(native.alias("native"));
            }
            // The exact bytes matter to exports only: `raw_data` is their text.
            "raw_bytes" => {}
            name => columns.push(col(name)),
        }
    }
    let day = cast(cast(col("time"), DataType::Date32), DataType::Utf8View);
    columns.push(day.alias("day"));
    columns
}

/// Views under a second name: OCSF misspells one of its classes.
const ALIASES: [(&str, &str); 1] = [("event_log_activity", "event_log_actvity")];

/// The class that a view is named after.
fn class_view(name: &str) -> Option<&'static Class> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, class)| class);
    ocsf::classes().iter().find(|class| !class.deprecated && class.name == name)
}

/// The columns that mean something for a class.
fn class_columns(class: &'static Class) -> impl Iterator<Item = &'static str> {
    let own = ocsf::COLUMNS.iter().filter(|column| {
        let legal = ocsf::resolve(class, column.path).is_some();
        legal && !FIRST.contains(&column.name) && !LAST.contains(&column.name)
    });
    let mut names = vec![];
    let all = FIRST.into_iter().chain(["event_uid"]).chain(own.map(|c| c.name)).chain(LAST);
    for name in all.chain(["observables", "day"]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter()
}

#[async_trait::async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let classes = ocsf::classes().iter().filter(|class| !class.deprecated);
        let own = self.snapshots.keys().copied().chain(classes.map(|class| class.name));
        let mut names: Vec<String> =
            own.map(str::to_owned).chain(self.lists.keys().cloned()).collect();
        names.extend(ALIASES.map(|(alias, _)| alias.to_owned()));
        names.sort();
        names.dedup();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.find(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.lists.contains_key(name)
            || self.snapshots.contains_key(name)
            || class_view(name).is_some()
    }
}

/// The one catalog.
#[derive(Debug)]
pub(crate) struct Catalog(pub(crate) Arc<Tables>);

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == SCHEMA).then(|| Arc::clone(&self.0) as Arc<dyn SchemaProvider>)
    }
}
