//! Parquet: the answer with its own types, for other tools.

use std::io::Write;

use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::failed;
use crate::answer::Answer;
use crate::error::HuntError;

pub(crate) async fn write(
    answer: &mut Answer,
    out: &mut (dyn Write + Send),
) -> Result<u64, HuntError> {
    let level = ZstdLevel::try_new(3).map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer =
        ArrowWriter::try_new(out, answer.schema(), Some(properties)).map_err(failed)?;
    let mut rows = 0;
    while let Some(batch) = answer.next().await? {
        writer.write(&batch).map_err(failed)?;
        rows += batch.num_rows() as u64;
    }
    writer.close().map_err(failed)?;
    Ok(rows)
}
