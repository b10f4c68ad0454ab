//! The tables and their columns: one ordered table of each, from which writers, readers and the
//! documentation derive.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The tables of a lake, in the order in which a run commits them. `Parcels` comes after what was
/// read from the parcels and `Runs` comes last: a parcel that is listed has been read to its end.
///
/// What was read is added to. What was concluded ([`Table::is_concluded`]) is written anew by every
/// run that writes it, over all that the lake holds; earlier conclusions stay in the table's earlier
/// versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Every event, one wide row each.
    Events,
    /// What could not be read, with its place.
    Flaws,
    /// Records that no source definition knew, by shape, with a sample.
    Unrecognised,
    /// Rules that matched, as far as correlations count them.
    Matches,
    /// What detection found.
    Findings,
    /// What triage made of the findings.
    Alerts,
    /// What triage made of the alerts.
    Incidents,
    /// The bodies of bytes that were read.
    Parcels,
    /// The runs that wrote here.
    Runs,
}

impl Table {
    /// All tables: events are committed first, runs last.
    pub const ALL: [Self; 9] = [
        Self::Events,
        Self::Flaws,
        Self::Unrecognised,
        Self::Matches,
        Self::Findings,
        Self::Alerts,
        Self::Incidents,
        Self::Parcels,
        Self::Runs,
    ];

    /// Its name, in SQL and as a folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Flaws => "flaws",
            Self::Unrecognised => "unrecognised",
            Self::Matches => "matches",
            Self::Findings => "findings",
            Self::Alerts => "alerts",
            Self::Incidents => "incidents",
            Self::Parcels => "parcels",
            Self::Runs => "runs",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// All its columns, partition columns last.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<Vec<SchemaRef>> = LazyLock::new(|| {
            Table::ALL.into_iter().map(|table| Arc::new(Schema::new(table.fields()))).collect()
        });
        Table::ALL
            .into_iter()
            .zip(SCHEMAS.iter())
            .find(|(table, _)| *table == self)
            .map_or_else(|| Arc::new(Schema::empty()), |(_, schema)| Arc::clone(schema))
    }

    /// The columns that Parquet files hold: all but the partition columns.
    pub fn file_schema(self) -> SchemaRef {
        let schema = self.schema();
        let keep = schema
            .fields()
            .iter()
            .filter(|f| !self.partition_columns().contains(&f.name().as_str()));
        Arc::new(Schema::new(keep.cloned().collect::<Vec<_>>()))
    }

    /// The columns whose values are folders.
    pub fn partition_columns(self) -> &'static [&'static str] {
        match self {
            Self::Events => &["day"],
            _ => &[],
        }
    }

    /// True for conclusions: they are true of all evidence together, so a run writes them anew.
    pub fn is_concluded(self) -> bool {
        matches!(self, Self::Matches | Self::Findings | Self::Alerts | Self::Incidents)
    }

    /// The column that says when a row happened, where it has one: what `--since` and `--until` mean.
    pub fn time_column(self) -> Option<&'static str> {
        match self {
            Self::Events | Self::Matches | Self::Findings => Some("time"),
            Self::Alerts | Self::Incidents => Some("last_time"),
            _ => None,
        }
    }

    /// Columns whose least and greatest values may stand in the table's log. A log outlives the rows
    /// that it tells of, so nothing that names a person or an address is among them.
    pub fn log_statistics(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "time",
                "class_uid",
                "severity_id",
                "parcel_digest",
                "parcel_offset",
                "received_at",
            ],
            Self::Matches => &["time"],
            Self::Findings => &["time", "severity_id"],
            Self::Alerts | Self::Incidents => &["first_time", "last_time", "risk"],
            Self::Flaws => &["parcel_digest", "offset"],
            Self::Unrecognised => &["parcel_digest"],
            Self::Parcels => &["digest", "received_at"],
            Self::Runs => &["started_at"],
        }
    }

    #[allow(clippy::too_many_lines)] // One table of columns.
    fn fields(self) -> Vec<Field> {
        match self {
            Self::Events => event_fields(),
            Self::Matches => vec![
                text("rule_id"),
                text("rule_version"),
                time("time"),
                text("event_uid"),
                text("fields"),
                texts("entities"),
                text("source"),
                texts("labels"),
            ],
            Self::Findings => vec![
                text("finding_id"),
                text("kind"),
                text("rule_id"),
                text("rule_version"),
                text("rule_title"),
                text("description"),
                text("level"),
                int("severity_id"),
                time("time"),
                texts("event_uids"),
                texts("entities"),
                texts("tactics"),
                texts("techniques"),
                text("matched_fields"),
                time("window_start"),
                time("window_end"),
                long("window_count"),
                text("window_group"),
                text("source"),
                texts("labels"),
            ],
            Self::Alerts => vec![
                text("alert_id"),
                text("rule_id"),
                text("rule_title"),
                text("description"),
                text("entity"),
                texts("entities"),
                text("level"),
                int("severity_id"),
                long("count"),
                time("first_time"),
                time("last_time"),
                texts("finding_ids"),
                texts("tactics"),
                texts("techniques"),
                text("source"),
                int("risk"),
                text("risk_parts"),
                text("reason"),
            ],
            Self::Incidents => vec![
                text("incident_id"),
                text("title"),
                text("summary"),
                text("severity"),
                int("severity_id"),
                int("risk"),
                text("risk_parts"),
                texts("alert_ids"),
                long("finding_count"),
                time("first_time"),
                time("last_time"),
                texts("entities"),
                texts("tactics"),
                texts("techniques"),
                texts("sources"),
                text("reason"),
                texts("next_steps"),
            ],
            Self::Parcels => vec![
                text("digest"),
                text("origin"),
                long("size"),
                time("received_at"),
                text("format"),
                long("records"),
                long("events"),
                long("lost"),
                long("flaws"),
                text("note"),
                time("first_time"),
                time("last_time"),
            ],
            Self::Flaws => vec![
                text("parcel_digest"),
                text("origin"),
                long("offset"),
                text("kind"),
                text("message"),
                boolean("record_lost"),
            ],
            Self::Unrecognised => vec![
                text("parcel_digest"),
                text("origin"),
                text("parser"),
                text("shape"),
                long("count"),
                text("sample"),
            ],
            Self::Runs => vec![
                text("run_key"),
                time("started_at"),
                time("finished_at"),
                text("version"),
                text("summary"),
            ],
        }
    }
}

/// The columns of `events` after the OCSF ones, in order.
fn event_fields() -> Vec<Field> {
    let ocsf = stored_columns().into_iter().map(|column| {
        let required = matches!(column.name, "time" | "class_uid");
        Field::new(column.name, data_type(column.kind), !required)
    });
    let own = [
        text("ocsf_extra"),
        text("native"),
        text("raw_data"),
        Field::new("raw_bytes", DataType::Binary, true),
        text("logsource_product"),
        text("logsource_category"),
        text("logsource_service"),
        text("parcel_digest"),
        long("parcel_offset"),
        int("parcel_index"),
        text("parser"),
        text("definition"),
        int("definition_version"),
        time("received_at"),
        text("day"),
    ];
    ocsf.chain(own).collect()
}

/// The OCSF columns as they are stored: where two paths share a name (`app.name` and `app_name`),
/// they share the column.
pub(crate) fn stored_columns() -> Vec<&'static ocsf::Column> {
    let mut stored: Vec<&ocsf::Column> = Vec::with_capacity(ocsf::COLUMNS.len());
    for column in ocsf::COLUMNS {
        if !stored.iter().any(|other| other.name == column.name) {
            stored.push(column);
        }
    }
    stored
}

/// The Arrow type of an OCSF column.
pub fn data_type(kind: ocsf::Kind) -> DataType {
    match kind {
        ocsf::Kind::Text | ocsf::Kind::Json => DataType::Utf8,
        ocsf::Kind::Int | ocsf::Kind::Long => DataType::Int64,
        ocsf::Kind::Double => DataType::Float64,
        ocsf::Kind::Bool => DataType::Boolean,
        ocsf::Kind::Time => instant(),
    }
}

/// Microseconds in UTC, as Delta's `timestamp`.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn texts(name: &str) -> Field {
    Field::new_list(name, Field::new("element", DataType::Utf8, true), true)
}

fn int(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn boolean(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn time(name: &str) -> Field {
    Field::new(name, instant(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_name_columns_that_are_there() {
        for table in Table::ALL {
            let schema = table.schema();
            assert_eq!(Table::from_name(table.name()), Some(table));
            for name in table.log_statistics().iter().chain(table.partition_columns()) {
                assert!(schema.index_of(name).is_ok(), "{} has no {name}", table.name());
            }
            if let Some(name) = table.time_column() {
                assert!(schema.index_of(name).is_ok());
            }
        }
    }
}
