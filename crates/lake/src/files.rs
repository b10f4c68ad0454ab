//! The files of one table that a writer makes: their names, and how they come to the disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use deltalake::parquet::file::metadata::ParquetMetaData;

use crate::error::{LakeError, Result};
use crate::place::{make_folder, sync};
use crate::schema::Table;
use crate::statistics::log_statistics;

/// Files that are on their way to the disk at a time.
const SYNCING: usize = 4;

/// A file that is on disk and waits for its commit.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) table: Table,
    /// Path below the table's folder.
    pub(crate) path: String,
    pub(crate) day: Option<String>,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    pub(crate) statistics: String,
}

/// The files of a table. Nothing of them belongs to it before the run commits.
#[derive(Debug)]
pub(crate) struct Files {
    table: Table,
    folder: PathBuf,
    prefix: String,
    created: Vec<PathBuf>,
    written: Vec<Written>,
    syncing: Vec<(PathBuf, JoinHandle<io::Result<()>>)>,
}

impl Files {
    /// No files yet. `folder` holds one folder for each table; file names begin with `prefix`.
    pub(crate) fn new(table: Table, folder: &Path, prefix: &str) -> Self {
        let (created, written, syncing) = (Vec::new(), Vec::new(), Vec::new());
        let (folder, prefix) = (folder.join(table.name()), prefix.to_owned());
        Self { table, folder, prefix, created, written, syncing }
    }

    /// Which table's.
    pub(crate) fn table(&self) -> Table {
        self.table
    }

    /// Begins a file; gives its path below the table's folder as well.
    pub(crate) fn create(&mut self, day: Option<&str>) -> Result<(File, String)> {
        let name = format!("{}{:05}.parquet", self.prefix, self.created.len());
        let path = match day {
            Some(day) => format!("day={day}/{name}"),
            None => name,
        };
        let full = self.folder.join(&path);
        if let Some(parent) = full.parent() {
            make_folder(parent)?;
        }
        let file = File::create(&full).map_err(LakeError::io("create", &full))?;
        self.created.push(full);
        Ok((file, path))
    }

    /// Enters a file that is whole, and sends it to the disk.
    pub(crate) fn end(
        &mut self,
        file: &File,
        path: String,
        day: Option<String>,
        metadata: &ParquetMetaData,
    ) -> Result<()> {
        let full = self.folder.join(&path);
        let size = file.metadata().map_err(LakeError::io("look at", &full))?.len();
        let file = file.try_clone().map_err(LakeError::io("keep open", &full))?;
        if self.syncing.len() >= SYNCING {
            self.synced()?;
        }
        self.syncing.push((full, std::thread::spawn(move || file.sync_all())));
        self.written.push(Written {
            table: self.table,
            path,
            day,
            size,
            rows: metadata.file_metadata().num_rows() as u64,
            statistics: log_statistics(self.table, metadata),
        });
        Ok(())
    }

    /// Waits until all files and their names are on the disk.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        self.synced()?;
        let mut folders: Vec<&Path> =
            self.created.iter().filter_map(|path| path.parent()).collect();
        folders.push(&self.folder);
        folders.sort();
        folders.dedup();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            sync(folder)?;
        }
        Ok(self.written)
    }

    /// Removes what was written. What cannot be removed goes when the lake is next written to.
    pub(crate) fn abandon(self) {
        for path in self.created {
            let _ = std::fs::remove_file(path);
        }
    }

    fn synced(&mut self) -> Result<()> {
        for (path, thread) in self.syncing.drain(..) {
            let done = thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            done.map_err(LakeError::io("sync", path))?;
        }
        Ok(())
    }
}
