//! Incidents by a filter, in pages.

use model::{Entity, Level, Micros};
use sqlx::AnyConnection;

use crate::alerts::OwnedBy;
use crate::error::Result;
use crate::incidents::row::{IncidentRow, IncidentStatus, SELECT, read};
use crate::page::{Page, Paging};
use crate::sql::sql;
use crate::text::{entity_key, patterns};

/// Which incidents. The default is all.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// With one of these statuses; none stands for any.
    pub statuses: Vec<IncidentStatus>,
    /// Whose.
    pub owner: OwnedBy,
    /// Shown with this level or a graver one.
    pub level: Option<Level>,
    /// With an alert about this entity.
    pub entity: Option<Entity>,
    /// With all of these words in title, summary, number (`#17`) or entities.
    pub text: Option<String>,
    /// Still going on at or after this time.
    pub from: Option<Micros>,
    /// Begun before this time.
    pub to: Option<Micros>,
}

/// In which order; of equals the latest, then the greatest id comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IncidentOrder {
    /// Latest event first.
    #[default]
    Latest,
    /// Gravest level first.
    Gravest,
}

pub(crate) async fn list(
    on: &mut AnyConnection,
    filter: &IncidentFilter,
    order: IncidentOrder,
    paging: &Paging,
) -> Result<Page<IncidentRow>> {
    let (name, columns, ordered) = match order {
        IncidentOrder::Latest => (
            "incidents",
            "(i.last_time, i.incident_id)",
            " ORDER BY i.last_time DESC, i.incident_id DESC",
        ),
        IncidentOrder::Gravest => (
            "grave",
            "(i.shown_level, i.last_time, i.incident_id)",
            " ORDER BY i.shown_level DESC, i.last_time DESC, i.incident_id DESC",
        ),
    };
    let mut query = sql(SELECT);
    query.push(" AND i.merged_into IS NULL AND (i.alert_count > 0 OR i.touched = 1)");
    if !filter.statuses.is_empty() {
        query.push(" AND i.status IN ").list(filter.statuses.iter().copied());
    }
    match &filter.owner {
        OwnedBy::Any => {}
        OwnedBy::Nobody => {
            query.push(" AND i.owner IS NULL");
        }
        OwnedBy::Person(name) => {
            query.push(" AND i.owner = ").arg(name);
        }
    }
    if let Some(level) = filter.level {
        query.push(" AND i.shown_level >= ").arg(level);
    }
    if let Some(entity) = &filter.entity {
        query.push(
            " AND EXISTS (SELECT 1 FROM alerts a JOIN alert_entities e \
             ON e.alert_id = a.alert_id WHERE a.incident_id = i.incident_id AND e.entity = ",
        );
        query.arg(entity_key(entity)).push(")");
    }
    for pattern in patterns(filter.text.as_deref().unwrap_or_default())? {
        query.push(" AND i.search LIKE ").arg(pattern).push(" ESCAPE '\\'");
    }
    if let Some(from) = filter.from {
        query.push(" AND i.last_time >= ").arg(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND i.first_time < ").arg(to);
    }
    paging.after(&mut query, name, columns)?;
    query.push(ordered).push(" LIMIT ").arg(i64::from(paging.limit()?) + 1);
    let rows = query.all(on).await?;
    let rows: Vec<IncidentRow> = rows.iter().map(read).collect::<Result<_>>()?;
    paging.page(name, rows, |row| {
        let numbers = match order {
            IncidentOrder::Latest => vec![row.last_time.0],
            IncidentOrder::Gravest => vec![row.level as i64, row.last_time.0],
        };
        (numbers, row.incident_id.to_string())
    })
}
