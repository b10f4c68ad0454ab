//! What fetchers hand their pieces to in tests: it keeps pieces with their cursors, and dies when it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use collect::{Cursor, Desk, Halt, Piece};

#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) cursors: BTreeMap<Arc<str>, Arc<str>>,
    /// Takes so many pieces more, and then no more.
    pub(crate) lives: Option<usize>,
}

impl Desk for Shelf {
    fn take(&mut self, piece: Piece) -> Result<(), Halt> {
        if self.lives == Some(0) {
            return Err(Halt::Closing);
        }
        self.lives = self.lives.map(|lives| lives - 1);
        self.cursors.insert(piece.cursor.name.clone(), piece.cursor.value.clone());
        self.pieces.push(piece);
        Ok(())
    }

    fn keep(&mut self, cursor: Cursor) -> Result<(), Halt> {
        self.cursors.insert(cursor.name, cursor.value);
        Ok(())
    }

    fn forget(&mut self, names: &[String]) -> Result<(), Halt> {
        self.cursors.retain(|name, _| !names.iter().any(|gone| **gone == **name));
        Ok(())
    }
}

impl Shelf {
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes)).collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}
