//! One column of a batch under construction. Most columns of an event are null, so a column is not
//! told of the rows that it has no part in: the gap is filled when the next value comes, or at the
//! end. The cost is that of the values that are there.

#![allow(clippy::unit_arg)] // `done(append, size)` says both what is done and what it costs.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::DataType;

use crate::schema::instant;

/// The builder of one column.
#[derive(Debug)]
pub(crate) enum Cells {
    /// Text.
    Text(StringBuilder),
    /// 32-bit whole numbers.
    Int(Int32Builder),
    /// 64-bit whole numbers.
    Long(Int64Builder),
    /// Floating numbers.
    Double(Float64Builder),
    /// Truth values.
    Bool(BooleanBuilder),
    /// Instants.
    Time(TimestampMicrosecondBuilder),
    /// Bytes.
    Bytes(BinaryBuilder),
}

/// Runs the same call on whichever builder it is.
macro_rules! each {
    ($cells:expr, $builder:ident => $call:expr) => {
        match $cells {
            Cells::Text($builder) => $call,
            Cells::Int($builder) => $call,
            Cells::Long($builder) => $call,
            Cells::Double($builder) => $call,
            Cells::Bool($builder) => $call,
            Cells::Time($builder) => $call,
            Cells::Bytes($builder) => $call,
        }
    };
}

impl Cells {
    /// An empty column of an OCSF kind.
    pub(crate) fn of(kind: ocsf::Kind) -> Self {
        match kind {
            ocsf::Kind::Text | ocsf::Kind::Json => Self::text(),
            ocsf::Kind::Int | ocsf::Kind::Long => Self::long(),
            ocsf::Kind::Double => Self::Double(Float64Builder::new()),
            ocsf::Kind::Bool => Self::Bool(BooleanBuilder::new()),
            ocsf::Kind::Time => Self::time(),
        }
    }

    /// An empty column of text.
    pub(crate) fn text() -> Self {
        Self::Text(StringBuilder::new())
    }

    /// An empty column of 64-bit numbers.
    pub(crate) fn long() -> Self {
        Self::Long(Int64Builder::new())
    }

    /// An empty column of 32-bit numbers.
    pub(crate) fn int() -> Self {
        Self::Int(Int32Builder::new())
    }

    /// An empty column of instants.
    pub(crate) fn time() -> Self {
        Self::Time(TimestampMicrosecondBuilder::new().with_data_type(instant()))
    }

    /// An empty column of bytes.
    pub(crate) fn bytes() -> Self {
        Self::Bytes(BinaryBuilder::new())
    }

    /// How many rows it knows of.
    pub(crate) fn len(&self) -> usize {
        use arrow::array::ArrayBuilder as _;
        each!(self, builder => builder.len())
    }

    /// Fills up with nulls to `rows`. False when the row is taken: the first value wins.
    pub(crate) fn reach(&mut self, rows: usize) -> bool {
        let len = self.len();
        if len < rows {
            each!(self, builder => builder.append_nulls(rows - len));
        }
        len <= rows
    }

    /// Puts text at `row`; returns how many bytes were kept.
    pub(crate) fn put_text(&mut self, row: usize, text: &str) -> usize {
        if !self.reach(row) {
            return 0;
        }
        match self {
            Self::Text(builder) => {
                builder.append_value(text);
                text.len()
            }
            // A number that its source spelled as text, in a column of numbers.
            Self::Int(builder) => {
                text.trim().parse().ok().map_or(0, |n| done(builder.append_value(n), 4))
            }
            Self::Long(builder) => {
                text.trim().parse().ok().map_or(0, |n| done(builder.append_value(n), 8))
            }
            Self::Double(builder) => {
                text.trim().parse().ok().map_or(0, |x| done(builder.append_value(x), 8))
            }
            Self::Bool(builder) => {
                text.trim().parse().ok().map_or(0, |b| done(builder.append_value(b), 1))
            }
            Self::Time(_) | Self::Bytes(_) => 0,
        }
    }

    /// Puts a whole number at `row`; returns how many bytes were kept.
    pub(crate) fn put_long(&mut self, row: usize, n: i64) -> usize {
        if !self.reach(row) {
            return 0;
        }
        match self {
            Self::Int(builder) => i32::try_from(n).map_or(0, |n| done(builder.append_value(n), 4)),
            Self::Long(builder) => done(builder.append_value(n), 8),
            Self::Double(builder) => done(builder.append_value(n as f64), 8),
            Self::Time(builder) => done(builder.append_value(n), 8),
            Self::Text(builder) => {
                let text = n.to_string();
                done(builder.append_value(&text), text.len())
            }
            Self::Bool(builder) => done(builder.append_value(n != 0), 1),
            Self::Bytes(_) => 0,
        }
    }

    /// Puts a floating number at `row`.
    pub(crate) fn put_double(&mut self, row: usize, x: f64) -> usize {
        if !self.reach(row) {
            return 0;
        }
        match self {
            Self::Double(builder) => done(builder.append_value(x), 8),
            Self::Text(builder) => {
                let text = x.to_string();
                done(builder.append_value(&text), text.len())
            }
            _ if x.fract() == 0.0 && x.abs() < 9.0e15 => self.put_long(row, x as i64),
            _ => 0,
        }
    }

    /// Puts a truth value at `row`.
    pub(crate) fn put_bool(&mut self, row: usize, b: bool) -> usize {
        if !self.reach(row) {
            return 0;
        }
        match self {
            Self::Bool(builder) => done(builder.append_value(b), 1),
            Self::Text(builder) => done(builder.append_value(if b { "true" } else { "false" }), 5),
            _ => self.put_long(row, i64::from(b)),
        }
    }

    /// Puts bytes at `row`.
    pub(crate) fn put_bytes(&mut self, row: usize, bytes: &[u8]) -> usize {
        if !self.reach(row) {
            return 0;
        }
        match self {
            Self::Bytes(builder) => done(builder.append_value(bytes), bytes.len()),
            _ => 0,
        }
    }

    /// The column with `rows` rows. A column without a value shares its nulls with all others.
    pub(crate) fn finish(&mut self, rows: usize, data_type: &DataType) -> ArrayRef {
        if self.len() == 0 {
            return nulls(data_type, rows);
        }
        self.reach(rows);
        each!(self, builder => Arc::new(builder.finish()) as ArrayRef)
    }
}

fn done((): (), bytes: usize) -> usize {
    bytes
}

/// Rows of the shared null columns; longer ones are made when needed.
const SHARED_NULLS: usize = 1 << 16;

/// `rows` nulls. Up to a length all null columns of one type are slices of one array.
pub(crate) fn nulls(data_type: &DataType, rows: usize) -> ArrayRef {
    static SHARED: LazyLock<Vec<ArrayRef>> = LazyLock::new(|| {
        let types = [
            DataType::Utf8,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Boolean,
            DataType::Binary,
            instant(),
        ];
        types.iter().map(|kind| new_null_array(kind, SHARED_NULLS)).collect()
    });
    match SHARED.iter().find(|array| array.data_type() == data_type) {
        Some(array) if rows <= SHARED_NULLS => array.slice(0, rows),
        _ => new_null_array(data_type, rows),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use arrow::array::AsArray as _;

    use super::*;

    #[test]
    fn gaps_are_null_and_the_first_value_wins() {
        let mut cells = Cells::text();
        cells.put_text(2, "a");
        assert_eq!(cells.put_text(2, "b"), 0);
        cells.put_text(4, "c");
        let array = cells.finish(7, &DataType::Utf8);
        let text: Vec<_> = array.as_string::<i32>().iter().collect();
        assert_eq!(text, [None, None, Some("a"), None, Some("c"), None, None]);
    }

    #[test]
    fn a_value_of_another_kind_is_read_or_left_null() {
        let mut cells = Cells::int();
        cells.put_text(0, " 80 ");
        cells.put_text(1, "http");
        cells.put_long(2, i64::MAX);
        cells.put_double(3, 3.0);
        cells.put_bool(4, true);
        let array = cells.finish(5, &DataType::Int32);
        let numbers: Vec<_> = array.as_primitive::<arrow::datatypes::Int32Type>().iter().collect();
        assert_eq!(numbers, [Some(80), None, None, Some(3), Some(1)]);
    }

    #[test]
    fn empty_columns_share_their_nulls() {
        let array = Cells::long().finish(9, &DataType::Int64);
        assert_eq!((array.len(), array.null_count()), (9, 9));
        assert_eq!(nulls(&DataType::Utf8, SHARED_NULLS + 1).len(), SHARED_NULLS + 1);
    }
}
