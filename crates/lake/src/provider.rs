//! A table for the query engine, made from the file list of one version of it.
//!
//! Delta's own scan hides the Parquet source from the engine: an `ORDER BY time DESC LIMIT n` then
//! reads everything, and the plan cannot travel to another machine. This one is a plain Parquet
//! scan over the same files. What such a scan would read wrongly (deletion vectors, renamed
//! columns) is refused when the table is opened.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::scalar::ScalarValue;
use object_store::ObjectStore;

use crate::delta::LiveFile;
use crate::schema::Table;
use crate::tail::as_read;

/// One version of a table.
#[derive(Debug)]
pub struct SnapshotTable {
    table: Table,
    /// File columns, then partition columns; text as views, which the engine filters fastest.
    schema: SchemaRef,
    files: Vec<SnapshotFile>,
    store: Option<Arc<dyn ObjectStore>>,
    /// Rows that are not committed yet.
    tail: Vec<RecordBatch>,
}

#[derive(Debug)]
struct SnapshotFile {
    path: String,
    size: u64,
    day: Option<String>,
    statistics: Arc<Statistics>,
}

impl SnapshotTable {
    pub(crate) fn new(
        table: Table,
        store: Option<Arc<dyn ObjectStore>>,
        files: Vec<LiveFile>,
    ) -> Self {
        let schema = view_schema(&table.schema());
        let mut files: Vec<_> = files
            .into_iter()
            .map(|file| SnapshotFile {
                statistics: Arc::new(statistics(&schema, &file)),
                path: file.path,
                size: file.size,
                day: file.day,
            })
            .collect();
        // Newest first: whoever wants the latest rows need not open the old files.
        if let Some(at) = table.time_column().and_then(|name| schema.index_of(name).ok()) {
            let newest = |file: &SnapshotFile| {
                let column = file.statistics.column_statistics.get(at)?;
                match column.max_value.get_value()? {
                    ScalarValue::TimestampMicrosecond(time, _) => *time,
                    _ => None,
                }
            };
            files.sort_by_key(|file| std::cmp::Reverse(newest(file)));
        }
        Self { table, schema, files, store, tail: Vec::new() }
    }

    /// The same table with rows behind those of its files.
    pub(crate) fn with_tail(mut self, tail: &[RecordBatch]) -> Self {
        self.tail = tail.to_vec();
        self
    }

    /// Which table it is.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The address under which the engine must know [`SnapshotTable::store`].
    pub fn store_url(&self) -> Result<ObjectStoreUrl> {
        ObjectStoreUrl::parse(format!("lake://{}", self.table.name()))
    }

    /// The store whose root is the table's folder; none when the table was never written.
    pub fn store(&self) -> Option<Arc<dyn ObjectStore>> {
        self.store.clone()
    }

    /// How many files, and how many bytes they take.
    pub fn size(&self) -> (usize, u64) {
        (self.files.len(), self.files.iter().map(|file| file.size).sum())
    }

    /// How many rows.
    pub fn rows(&self) -> Option<usize> {
        let files = self.files.iter().map(|file| file.statistics.num_rows.get_value().copied());
        let tail = self.tail.iter().map(|batch| Some(batch.num_rows()));
        files.chain(tail).sum()
    }

    /// The rows that are not committed yet.
    fn scan_tail(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let rows = self.tail.iter().map(|batch| as_read(batch, &schema));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(MemorySourceConfig::try_new_exec(&[rows], schema, None)?)
    }

    /// The files in which the filters may find rows, as far as the log's statistics tell.
    fn kept(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&SnapshotFile>> {
        let all = || self.files.iter().collect();
        if self.files.is_empty() {
            // The engine would log a warning over the bounds of nothing.
            return Ok(Vec::new());
        }
        let Some(filter) = datafusion::logical_expr::utils::conjunction(filters.iter().cloned())
        else {
            return Ok(all());
        };
        let names = DFSchema::try_from(Arc::clone(&self.schema))?;
        let physical = state.create_physical_expr(filter, &names)?;
        let schema = Arc::clone(&self.schema);
        let builder = PruningPredicateBuilder::new().with_file_schema(schema);
        let Some(predicate) = builder.build(physical) else { return Ok(all()) };
        let statistics = self.files.iter().map(|file| Arc::clone(&file.statistics)).collect();
        let statistics = PrunableStatistics::new(statistics, Arc::clone(&self.schema));
        let keep = predicate.prune(&statistics)?;
        Ok(self.files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
    }
}

#[async_trait::async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.scan_files(state, projection, filters, limit)?;
        if self.tail.is_empty() {
            return Ok(files);
        }
        UnionExec::try_new(vec![self.scan_tail(projection)?, files])
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

impl SnapshotTable {
    /// The rows of the files that may hold what the filters ask for.
    fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.kept(state, filters)?;
        let Some(store) = self.store.clone().filter(|_| !files.is_empty()) else {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        };
        let (partitions, columns): (Vec<_>, Vec<_>) = self
            .schema
            .fields()
            .iter()
            .cloned()
            .partition(|field| self.table.partition_columns().contains(&field.name().as_str()));
        let partition_count = partitions.len();
        let schema = TableSchema::builder(Arc::new(Schema::new(columns)))
            .with_table_partition_cols(partitions)
            .build();
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let source = ParquetSource::new(schema)
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(
                store, cache,
            )))
            .with_pushdown_filters(true)
            .with_reorder_filters(true);
        let mut groups = vec![Vec::new(); state.config().target_partitions().clamp(1, files.len())];
        let count = groups.len();
        for (at, file) in files.iter().enumerate() {
            let mut part = PartitionedFile::new(file.path.clone(), file.size);
            if partition_count > 0 {
                part.partition_values = vec![ScalarValue::Utf8View(file.day.clone())];
            }
            part.statistics = Some(Arc::clone(&file.statistics));
            if let Some(group) = groups.get_mut(at % count) {
                group.push(part);
            }
        }
        let total = files.iter().map(|file| file.statistics.num_rows).reduce(|a, b| a.add(&b));
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = total.unwrap_or(Precision::Absent);
        let config = FileScanConfigBuilder::new(self.store_url()?, Arc::new(source))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The same columns with text as views.
fn view_schema(schema: &Schema) -> SchemaRef {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        DataType::Binary => Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>()))
}

/// What the log says of a file. Bounds count as exact only in files of this lake's own writer:
/// others round times.
fn statistics(schema: &Schema, file: &LiveFile) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.total_byte_size = Precision::Inexact(file.size as usize);
    let said: Option<serde_json::Value> =
        file.statistics.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let Some(said) = said else { return statistics };
    if let Some(rows) = said.get("numRecords").and_then(serde_json::Value::as_u64) {
        statistics.num_rows = Precision::Exact(rows as usize);
    }
    if !crate::run::is_ours(file.name()) {
        return statistics;
    }
    for (field, column) in schema.fields().iter().zip(&mut statistics.column_statistics) {
        let bound = |which: &str| {
            said.get(which)?.get(field.name()).and_then(|value| scalar(value, field.data_type()))
        };
        if let (Some(low), Some(high)) = (bound("minValues"), bound("maxValues")) {
            *column = ColumnStatistics {
                min_value: Precision::Exact(low),
                max_value: Precision::Exact(high),
                ..ColumnStatistics::new_unknown()
            };
        }
        let nulls = said.get("nullCount").and_then(|nulls| nulls.get(field.name()));
        if let Some(nulls) = nulls.and_then(serde_json::Value::as_u64) {
            column.null_count = Precision::Exact(nulls as usize);
        }
    }
    statistics
}

fn scalar(value: &serde_json::Value, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(value.as_str()?.to_owned()))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.as_i64()?))),
        DataType::Timestamp(_, zone) => {
            let time: model::Micros = value.as_str()?.parse().ok()?;
            Some(ScalarValue::TimestampMicrosecond(Some(time.0), zone.clone()))
        }
        _ => None,
    }
}
