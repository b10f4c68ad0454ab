//! What can go wrong with the lake, in sentences for people.

use std::path::PathBuf;

use deltalake::DeltaTableError;

/// A failure of the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Another process writes here.
    #[error("another run is writing to the lake {place} ({holder}); wait for it to end or stop it")]
    Locked {
        /// The lake.
        place: String,
        /// What its lock file says of the writer.
        holder: String,
    },
    /// The place is neither a folder nor an address that is known.
    #[error("`{place}` is not a lake: expected a folder or an s3://bucket/prefix address ({why})")]
    Place {
        /// What was given.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The disk said no.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The table format, or the store under it.
    #[error("cannot {doing} the table `{table}`: {source}")]
    Delta {
        /// What was being done.
        doing: &'static str,
        /// To which table.
        table: &'static str,
        /// The reason.
        source: Box<DeltaTableError>,
    },
    /// The table uses a feature of Delta that this lake does not read.
    #[error("the table `{table}` uses {feature}, which this version cannot read")]
    Feature {
        /// The table.
        table: &'static str,
        /// The feature.
        feature: String,
    },
    /// The Parquet writer.
    #[error("cannot write Parquet for `{table}`: {source}")]
    Parquet {
        /// The table.
        table: &'static str,
        /// The reason.
        source: deltalake::parquet::errors::ParquetError,
    },
    /// Columns that do not fit together: a mistake in this program.
    #[error("columns do not fit the table: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The query engine, while it prepared a scan.
    #[error("cannot scan the lake: {0}")]
    Scan(#[from] datafusion::error::DataFusionError),
    /// The writer's thread ended before its work was done.
    #[error("the lake's writer stopped: {0}")]
    Writer(String),
}

impl LakeError {
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn delta(
        doing: &'static str,
        table: &'static str,
    ) -> impl FnOnce(DeltaTableError) -> Self {
        move |source| Self::Delta { doing, table, source: Box::new(source) }
    }

    pub(crate) fn parquet(
        table: &'static str,
    ) -> impl FnOnce(deltalake::parquet::errors::ParquetError) -> Self {
        move |source| Self::Parquet { table, source }
    }
}

/// What the lake's calls give.
pub type Result<T> = std::result::Result<T, LakeError>;
