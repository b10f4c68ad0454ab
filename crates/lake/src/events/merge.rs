//! Files of events put together as they are: their row groups are copied into one file, none of their
//! values is looked at. It takes the time of reading and writing the bytes, and next to no memory.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use deltalake::parquet::bloom_filter::Sbbf;
use deltalake::parquet::column::writer::ColumnCloseResult;
use deltalake::parquet::errors::Result as ParquetResult;
use deltalake::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use deltalake::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use super::plan::{Plan, Plans};
use super::{chunk, failed};
use crate::error::{LakeError, Result};
use crate::files::Files;

/// A file of events, and what it says of itself.
struct Source {
    file: File,
    metadata: ParquetMetaData,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(LakeError::io("open", path))?;
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .parse_and_finish(&file)
            .map_err(failed)?;
        Ok(Self { file, metadata })
    }

    /// The place of each of its columns; nothing when it has others than this version writes.
    fn columns(&self, plans: &Plans) -> Option<Vec<Option<usize>>> {
        let own = self.metadata.file_metadata().schema_descr();
        let by_name: HashMap<&str, usize> =
            own.columns().iter().enumerate().map(|(at, column)| (column.name(), at)).collect();
        let places: Vec<_> =
            plans.columns.iter().map(|plan| by_name.get(plan.column.name()).copied()).collect();
        let known = plans.columns.iter().zip(&places).all(|(plan, place)| match place {
            Some(at) => own.column(*at) == plan.column,
            None => plan.may_lack(),
        });
        let found = places.iter().flatten().count();
        (known && found == own.num_columns()).then_some(places)
    }
}

/// A file whose row groups can be copied.
pub(crate) struct Taken {
    source: Source,
    /// The place of each column of the table, where the file has it.
    places: Vec<Option<usize>>,
}

/// Puts files of one day together.
pub(crate) struct Merge {
    plans: Plans,
}

impl Merge {
    /// Learns what columns there are.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { plans: Plans::new().map_err(failed)? })
    }

    /// Looks at a file; nothing when it cannot be copied: one of another writer, or of another version with
    /// other columns.
    pub(crate) fn take(&self, path: &Path) -> Result<Option<Taken>> {
        let source = Source::open(path)?;
        let places = source.columns(&self.plans);
        Ok(places.map(|places| Taken { source, places }))
    }

    /// Writes one file with the row groups of others.
    pub(crate) fn merge(&self, files: &mut Files, day: &str, taken: &[Taken]) -> Result<()> {
        let present = self.plans.columns.iter().enumerate().map(|(at, plan)| {
            let has = |one: &Taken| one.places.get(at).is_some_and(Option::is_some);
            !plan.may_lack() || taken.iter().any(has)
        });
        let present: Vec<bool> = present.collect();
        let (file, path) = files.create(Some(day))?;
        let metadata = self.copy(&file, &present, taken).map_err(failed)?;
        let rows = taken.iter().map(|one| one.source.metadata.file_metadata().num_rows());
        if metadata.file_metadata().num_rows() != rows.sum::<i64>() {
            return Err(LakeError::Writer(format!(
                "{path} lacks rows of those that it is made of"
            )));
        }
        files.end(&file, path, Some(day.to_owned()), &metadata)
    }

    fn copy(
        &self,
        file: &File,
        present: &[bool],
        taken: &[Taken],
    ) -> ParquetResult<ParquetMetaData> {
        let schema = self.plans.schema_of(present)?;
        let mut writer = SerializedFileWriter::new(file, schema, self.plans.properties.clone())?;
        for Taken { source, places } in taken {
            for group in 0..source.metadata.num_row_groups() {
                let mut out = writer.next_row_group()?;
                let plans = self.plans.columns.iter().zip(places).zip(present);
                for ((plan, place), _) in plans.filter(|(_, present)| **present) {
                    copy_column(source, group, plan, *place, &mut out)?;
                }
                out.close()?;
            }
        }
        writer.finish()
    }
}

fn copy_column(
    source: &Source,
    group: usize,
    plan: &Plan,
    place: Option<usize>,
    out: &mut SerializedRowGroupWriter<'_, &File>,
) -> ParquetResult<()> {
    let Source { file, metadata } = source;
    let of = metadata.row_group(group);
    let Some(at) = place else {
        let empty = chunk::empty(plan, of.num_rows() as usize)?;
        return out.append_column(&empty.bytes, empty.close);
    };
    let column = of.column(at);
    let close = ColumnCloseResult {
        bytes_written: column.compressed_size() as u64,
        rows_written: of.num_rows() as u64,
        metadata: column.clone(),
        bloom_filter: Sbbf::read_from_column_chunk(column, file)?,
        column_index: metadata.column_index().and_then(|all| all.get(group)?.get(at)).cloned(),
        offset_index: metadata.offset_index().and_then(|all| all.get(group)?.get(at)).cloned(),
    };
    out.append_column(file, close)
}
