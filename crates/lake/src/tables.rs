//! The tables that are not `events`, on their way to the disk: some thousand rows, laid down by the
//! library's own writer.

use std::fs::File;

use arrow::record_batch::RecordBatch;
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::errors::{ParquetError, Result as ParquetResult};
use deltalake::parquet::file::properties::{WriterProperties, WriterVersion};

use crate::error::{LakeError, Result};
use crate::events::GROUP_ROWS;
use crate::files::{Files, Written};

/// A file is ended when it is larger than this.
const FILE_BYTES: usize = 256 << 20;
/// How hard columns are compressed: somebody waits for the last of them, and they are small.
const LEVEL: i32 = 1;

/// Lays down the rows of one table.
pub(crate) struct BatchWriter {
    files: Files,
    open: Option<(ArrowWriter<File>, String)>,
}

impl BatchWriter {
    /// A writer that makes these files.
    pub(crate) fn new(files: Files) -> Self {
        Self { files, open: None }
    }

    /// Takes rows.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let table = self.files.table().name();
        let (mut writer, path) = match self.open.take() {
            Some(open) => open,
            None => {
                let (file, path) = self.files.create(None)?;
                let writer = properties().and_then(|properties| {
                    ArrowWriter::try_new(file, batch.schema(), Some(properties))
                });
                (writer.map_err(LakeError::parquet(table))?, path)
            }
        };
        writer.write(batch).map_err(LakeError::parquet(table))?;
        let is_full = writer.bytes_written() >= FILE_BYTES;
        self.open = Some((writer, path));
        if is_full { self.end() } else { Ok(()) }
    }

    /// Ends all files, and brings them to the disk.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        self.end()?;
        self.files.finish()
    }

    /// Removes what was written.
    pub(crate) fn abandon(self) {
        self.files.abandon();
    }

    fn end(&mut self) -> Result<()> {
        let Some((mut writer, path)) = self.open.take() else { return Ok(()) };
        let table = self.files.table().name();
        let metadata = writer.finish().map_err(LakeError::parquet(table))?;
        self.files.end(writer.inner(), path, None, &metadata)
    }
}

fn properties() -> ParquetResult<WriterProperties> {
    let level = ZstdLevel::try_new(LEVEL).map_err(|e| ParquetError::General(e.to_string()))?;
    Ok(WriterProperties::builder()
        .set_created_by(concat!("watchfloor ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build())
}
