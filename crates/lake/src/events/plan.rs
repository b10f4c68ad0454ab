//! How each column of `events` is laid down: what kind of column it is, how hard it is compressed, and
//! whether people look for its values one by one.

use std::sync::Arc;

use deltalake::parquet::arrow::ArrowSchemaConverter;
use deltalake::parquet::errors::Result;
use deltalake::parquet::file::properties::{WriterProperties, WriterPropertiesPtr, WriterVersion};
use deltalake::parquet::schema::types::{ColumnDescPtr, Type, TypePtr};
use rustc_hash::FxHashMap;

use crate::cells::Stuff;
use crate::schema::Table;

/// Columns of whole lines.
const LINES: [&str; 4] = ["raw_data", "raw_bytes", "native", "ocsf_extra"];
/// Columns of numbers that grow from row to row.
const GROWING: [&str; 2] = ["time", "parcel_offset"];

/// What kind of column it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Values of which many repeat, or do not: it is found out for each row group.
    Usual,
    /// Whole lines: they never repeat, and their least and greatest tell nothing.
    Lines,
    /// Numbers that grow from row to row.
    Growing,
}

/// The plan for one column.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its place in the table's file schema.
    pub(super) at: usize,
    pub(super) kind: Kind,
    pub(super) stuff: Stuff,
    /// The share of wrong answers of its bloom filter, where it has one: what people pivot on.
    pub(super) wrong: Option<f64>,
    pub(super) column: ColumnDescPtr,
}

impl Plan {
    /// True when a row may lack a value.
    pub(super) fn may_lack(&self) -> bool {
        self.column.max_def_level() > 0
    }

    /// True for columns whose least and greatest value are said.
    pub(super) fn has_bounds(&self) -> bool {
        self.kind != Kind::Lines && !matches!(self.stuff, Stuff::Double | Stuff::Bool)
    }
}

/// The plans for all columns, and what a file of them needs.
pub(super) struct Plans {
    pub(super) columns: Vec<Plan>,
    schema: TypePtr,
    pub(super) properties: WriterPropertiesPtr,
}

impl Plans {
    /// The plans for `events`.
    pub(super) fn new() -> Result<Self> {
        let schema = Table::Events.file_schema();
        // The Arrow schema stays out of the files: it would say again what Parquet's own says.
        let properties = WriterProperties::builder()
            .set_created_by(concat!("watchfloor ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .build();
        let parquet = ArrowSchemaConverter::new().convert(&schema)?;
        let ocsf: FxHashMap<_, _> = ocsf::COLUMNS.iter().map(|c| (c.name, c)).collect();
        let fields = schema.fields().iter().zip(parquet.columns()).enumerate();
        let columns = fields.filter_map(|(at, (field, column))| {
            let name = field.name().as_str();
            let kind = match name {
                _ if LINES.contains(&name) => Kind::Lines,
                _ if GROWING.contains(&name) => Kind::Growing,
                _ => Kind::Usual,
            };
            let stuff = Stuff::of(field.data_type())?;
            let sought = ocsf.get(name).filter(|c| c.pivot && c.kind == ocsf::Kind::Text);
            // Who and what people ask for most is worth the larger filter.
            let wrong = sought.map(|c| if c.entity.is_some() { 0.01 } else { 0.1 });
            Some(Plan { at, kind, stuff, wrong, column: Arc::clone(column) })
        });
        Ok(Self {
            columns: columns.collect(),
            schema: parquet.root_schema_ptr(),
            properties: Arc::new(properties),
        })
    }

    /// The schema of a file with some of the columns.
    pub(super) fn schema_of(&self, columns: &[bool]) -> Result<TypePtr> {
        let fields = self.schema.get_fields().iter().zip(columns);
        let fields = fields.filter(|(_, has)| **has).map(|(field, _)| Arc::clone(field));
        let builder = Type::group_type_builder(self.schema.name());
        Ok(Arc::new(builder.with_fields(fields.collect()).build()?))
    }
}

impl std::fmt::Debug for Plans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plans").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
