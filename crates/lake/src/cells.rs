//! One column of some rows of events. Most columns of an event are null, so a column holds the values
//! that are there, each with its row: an absent value costs nothing, neither here nor when the column
//! is laid down.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryBuilder, BooleanBuilder, Float64Builder, Int32Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuff {
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// 32-bit whole numbers.
    Int,
    /// 64-bit whole numbers.
    Long,
    /// Floating numbers.
    Double,
    /// Truth values.
    Bool,
    /// Instants, in microseconds.
    Time,
}

impl Stuff {
    /// What a column of that Arrow type is made of; none for types that events have no column of.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 => Some(Self::Text),
            DataType::Binary => Some(Self::Bytes),
            DataType::Int32 => Some(Self::Int),
            DataType::Int64 => Some(Self::Long),
            DataType::Float64 => Some(Self::Double),
            DataType::Boolean => Some(Self::Bool),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Some(Self::Time),
            _ => None,
        }
    }

    /// True for what has a length of its own.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }
}

/// Set in the end of a text that is the one before it once more: class, product, parser, parcel and many other
/// short texts of an event are those of the event before it.
const AGAIN: u32 = 1 << 31;
/// Bytes of the longest text that is held once for its repetitions: what is held is about what is laid down.
const SHARED: usize = 256;

/// A column: the values that are there, in order of their rows.
#[derive(Debug)]
pub(crate) struct Cells {
    stuff: Stuff,
    /// The row of each value; empty while every row has one.
    rows: Vec<u32>,
    /// Where each text ends in `bytes`, marked when it is the one before it.
    ends: Vec<u32>,
    /// All texts, one after the other.
    bytes: Vec<u8>,
    /// Where the last of them begins.
    last: usize,
    /// All numbers: floating ones by their bits, truth values as 0 and 1.
    numbers: Vec<i64>,
}

impl Cells {
    /// An empty column.
    pub(crate) fn new(stuff: Stuff) -> Self {
        let (rows, ends, bytes, numbers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { stuff, rows, ends, bytes, last: 0, numbers }
    }

    /// An empty column with memory for as many values as this one has, and some more: a column that must
    /// grow is copied whole, into memory that the system clears first.
    pub(crate) fn like(&self) -> Self {
        let room = |held: usize| held + held / 8;
        Self {
            stuff: self.stuff,
            rows: Vec::with_capacity(room(self.rows.len())),
            ends: Vec::with_capacity(room(self.ends.len())),
            bytes: Vec::with_capacity(room(self.bytes.len())),
            last: 0,
            numbers: Vec::with_capacity(room(self.numbers.len())),
        }
    }

    /// How many values are there.
    pub(crate) fn values(&self) -> usize {
        if self.stuff.is_text() { self.ends.len() } else { self.numbers.len() }
    }

    /// The row of each value.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> {
        let every = if self.rows.is_empty() { self.values() as u32 } else { 0 };
        (0..every).chain(self.rows.iter().copied())
    }

    /// Each number; empty in a column of texts.
    pub(crate) fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// Where each text lies in [`Cells::bytes`], none in a column of numbers. One that is the text before it
    /// lies where that does.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let (mut start, mut end) = (0, 0);
        self.ends.iter().map(move |next| {
            if next & AGAIN == 0 {
                (start, end) = (end, *next as usize);
            }
            start..end
        })
    }

    /// Each text; none in a column of numbers.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.spans().map(|span| self.bytes.get(span).unwrap_or_default())
    }

    /// All texts, one after the other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of memory that are kept for values.
    pub(crate) fn capacity(&self) -> usize {
        let words = self.rows.capacity() + self.ends.capacity();
        words * 4 + self.bytes.capacity() + self.numbers.capacity() * 8
    }

    /// Forgets the values and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        self.bytes.clear();
        self.last = 0;
        self.numbers.clear();
    }

    /// True when `row` has a value: the first one wins.
    fn has(&self, row: usize) -> bool {
        match self.rows.last() {
            Some(last) => *last as usize >= row,
            None => self.values() > row,
        }
    }

    /// Notes the row of the value that is put next.
    fn at(&mut self, row: usize) {
        if self.rows.is_empty() {
            let values = self.values();
            if row == values {
                return;
            }
            self.rows.extend(0..values as u32);
        }
        self.rows.push(row as u32);
    }

    fn add_number(&mut self, row: usize, n: i64) -> usize {
        self.at(row);
        self.numbers.push(n);
        size_of::<(u32, i64)>()
    }

    /// Makes a text of the bytes that were added at the end. Past 2 GiB there is no place for more:
    /// rows are handed on long before.
    fn end_text(&mut self, row: usize) -> usize {
        let start = self.ends.last().map_or(0, |end| (end & !AGAIN) as usize);
        let end = self.bytes.len();
        if end >= AGAIN as usize {
            self.bytes.truncate(start);
            return 0;
        }
        self.at(row);
        self.ends.push(end as u32);
        self.last = start;
        end - start + size_of::<[u32; 2]>()
    }

    fn add_bytes(&mut self, row: usize, bytes: &[u8]) -> usize {
        if bytes.len() <= SHARED
            && let Some(end) = self.ends.last()
            && self.bytes.get(self.last..) == Some(bytes)
        {
            let again = end | AGAIN;
            self.at(row);
            self.ends.push(again);
            return bytes.len() + size_of::<[u32; 2]>();
        }
        self.bytes.extend_from_slice(bytes);
        self.end_text(row)
    }

    /// Puts text at `row`; returns the bytes that it takes.
    pub(crate) fn put_text(&mut self, row: usize, text: &str) -> usize {
        if self.has(row) {
            return 0;
        }
        match self.stuff {
            Stuff::Text => self.add_bytes(row, text.as_bytes()),
            // A number that its source spelled as text, in a column of numbers.
            Stuff::Int => text.trim().parse().map_or(0, |n: i32| self.add_number(row, n.into())),
            Stuff::Long => text.trim().parse().map_or(0, |n| self.add_number(row, n)),
            Stuff::Double => text.trim().parse().map_or(0, |x: f64| self.add_number(row, bits(x))),
            Stuff::Bool => text.trim().parse().map_or(0, |b: bool| self.add_number(row, b.into())),
            Stuff::Time | Stuff::Bytes => 0,
        }
    }

    /// Puts a whole number at `row`; returns the bytes that it takes.
    pub(crate) fn put_long(&mut self, row: usize, n: i64) -> usize {
        if self.has(row) {
            return 0;
        }
        match self.stuff {
            Stuff::Int if i32::try_from(n).is_err() => 0,
            Stuff::Int => self.add_number(row, n),
            Stuff::Long | Stuff::Time => self.add_number(row, n),
            Stuff::Double => self.add_number(row, bits(n as f64)),
            Stuff::Text => self.add_bytes(row, n.to_string().as_bytes()),
            Stuff::Bool => self.add_number(row, (n != 0).into()),
            Stuff::Bytes => 0,
        }
    }

    /// Puts a floating number at `row`.
    pub(crate) fn put_double(&mut self, row: usize, x: f64) -> usize {
        if self.has(row) {
            return 0;
        }
        match self.stuff {
            Stuff::Double => self.add_number(row, bits(x)),
            Stuff::Text => self.add_bytes(row, x.to_string().as_bytes()),
            _ if x.fract() == 0.0 && x.abs() < 9.0e15 => self.put_long(row, x as i64),
            _ => 0,
        }
    }

    /// Puts a truth value at `row`.
    pub(crate) fn put_bool(&mut self, row: usize, b: bool) -> usize {
        match self.stuff {
            Stuff::Text => self.put_text(row, if b { "true" } else { "false" }),
            _ => self.put_long(row, i64::from(b)),
        }
    }

    /// Puts bytes at `row`.
    pub(crate) fn put_bytes(&mut self, row: usize, bytes: &[u8]) -> usize {
        if self.has(row) || self.stuff != Stuff::Bytes {
            return 0;
        }
        self.add_bytes(row, bytes)
    }

    /// Puts a value as its JSON text at `row`.
    pub(crate) fn put_json(&mut self, row: usize, value: &impl serde::Serialize) -> usize {
        if self.has(row) || self.stuff != Stuff::Text {
            return 0;
        }
        let start = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, value).is_err() {
            self.bytes.truncate(start);
            return 0;
        }
        self.end_text(row)
    }

    /// Adds the values of an array, the first of which is of row `first`; returns the bytes that they
    /// take. An array of another type than the column's has none.
    pub(crate) fn put_array(&mut self, first: usize, array: &dyn Array) -> usize {
        /// Puts each value of the array, when it is of that type.
        macro_rules! put {
            ($array:expr, $put:ident) => {
                $array.map_or(0, |array| {
                    let rows = (0..array.len()).filter(|row| array.is_valid(*row));
                    rows.map(|row| self.$put(first + row, array.value(row).into())).sum()
                })
            };
        }
        match self.stuff {
            Stuff::Text => put!(array.as_string_opt::<i32>(), put_text),
            Stuff::Bytes => put!(array.as_binary_opt::<i32>(), put_bytes),
            Stuff::Int => put!(array.as_primitive_opt::<Int32Type>(), put_long),
            Stuff::Long => put!(array.as_primitive_opt::<Int64Type>(), put_long),
            Stuff::Time => put!(array.as_primitive_opt::<TimestampMicrosecondType>(), put_long),
            Stuff::Double => put!(array.as_primitive_opt::<Float64Type>(), put_double),
            Stuff::Bool => put!(array.as_boolean_opt(), put_bool),
        }
    }

    /// The column with `rows` rows as an array.
    pub(crate) fn array(&self, rows: usize, data_type: &DataType) -> ArrayRef {
        /// Appends each value after the nulls before it.
        macro_rules! built {
            ($builder:expr, $values:expr) => {{
                let mut builder = $builder;
                let mut next = 0;
                for (row, value) in self.rows().zip($values) {
                    builder.append_nulls(row as usize - next);
                    builder.append_value(value);
                    next = row as usize + 1;
                }
                builder.append_nulls(rows.saturating_sub(next));
                Arc::new(builder.finish())
            }};
        }
        if self.values() == 0 {
            return new_null_array(data_type, rows);
        }
        let numbers = self.numbers.iter();
        match self.stuff {
            Stuff::Text => {
                let texts = self.texts().map(String::from_utf8_lossy);
                built!(StringBuilder::with_capacity(rows, self.bytes.len()), texts)
            }
            Stuff::Bytes => {
                built!(BinaryBuilder::with_capacity(rows, self.bytes.len()), self.texts())
            }
            Stuff::Int => built!(Int32Builder::with_capacity(rows), numbers.map(|n| *n as i32)),
            Stuff::Long => built!(Int64Builder::with_capacity(rows), numbers.copied()),
            Stuff::Time => {
                let builder = TimestampMicrosecondBuilder::with_capacity(rows);
                built!(builder.with_data_type(data_type.clone()), numbers.copied())
            }
            Stuff::Double => {
                let doubles = numbers.map(|n| f64::from_bits(*n as u64));
                built!(Float64Builder::with_capacity(rows), doubles)
            }
            Stuff::Bool => {
                built!(BooleanBuilder::with_capacity(rows), numbers.map(|n| *n != 0))
            }
        }
    }
}

fn bits(x: f64) -> i64 {
    x.to_bits() as i64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn gaps_are_null_and_the_first_value_wins() {
        let mut cells = Cells::new(Stuff::Text);
        cells.put_text(2, "a");
        assert_eq!(cells.put_text(2, "b"), 0);
        cells.put_text(4, "c");
        let array = cells.array(7, &DataType::Utf8);
        let text: Vec<_> = array.as_string::<i32>().iter().collect();
        assert_eq!(text, [None, None, Some("a"), None, Some("c"), None, None]);
    }

    #[test]
    fn a_text_that_repeats_is_held_once() {
        let long = "x".repeat(SHARED + 1);
        let texts = ["", "", "a", "a", "ab", "ab", "", "b", "a", &long, &long];
        let mut cells = Cells::new(Stuff::Text);
        let taken = texts.iter().enumerate().map(|(row, text)| cells.put_text(row, text));
        assert!(taken.zip(texts).all(|(taken, text)| taken == text.len() + 8));
        assert_eq!(cells.bytes().len(), 1 + 2 + 1 + 1 + 2 * long.len());
        assert_eq!(cells.put_json(texts.len(), &7), 1 + 8);
        assert_eq!(cells.put_text(texts.len() + 2, "7"), 1 + 8);
        let array = cells.array(texts.len() + 3, &DataType::Utf8);
        let told: Vec<_> = array.as_string::<i32>().iter().collect();
        let expected = texts.map(Some).into_iter().chain([Some("7"), None, Some("7")]);
        assert!(told.into_iter().eq(expected));
        cells.clear();
        assert_eq!(cells.put_text(1, ""), 8);
        assert_eq!(cells.rows().zip(cells.spans()).collect::<Vec<_>>(), [(1, 0..0)]);
    }

    #[test]
    fn rows_are_told_whether_or_not_every_one_has_a_value() {
        for rows in [&[0, 1, 2][..], &[0, 1, 3], &[2, 3], &[0, 4, 5], &[]] {
            let (mut numbers, mut texts) = (Cells::new(Stuff::Long), Cells::new(Stuff::Text));
            for row in rows {
                assert_eq!(numbers.put_long(*row, 7), 16);
                assert_eq!(numbers.put_long(*row, 8), 0);
                texts.put_text(*row, "same");
                assert_eq!(texts.put_text(*row, "other"), 0);
            }
            for cells in [&numbers, &texts] {
                assert!(cells.rows().map(|row| row as usize).eq(rows.iter().copied()));
                assert_eq!(cells.values(), rows.len());
            }
        }
    }

    #[test]
    fn a_value_of_another_kind_is_read_or_left_null() {
        let mut cells = Cells::new(Stuff::Int);
        cells.put_text(0, " 80 ");
        cells.put_text(1, "http");
        cells.put_long(2, i64::MAX);
        cells.put_double(3, 3.0);
        cells.put_bool(4, true);
        let array = cells.array(5, &DataType::Int32);
        let numbers: Vec<_> = array.as_primitive::<Int32Type>().iter().collect();
        assert_eq!(numbers, [Some(80), None, None, Some(3), Some(1)]);
    }

    #[test]
    fn an_array_comes_back_as_it_was() {
        let kinds = [
            DataType::Utf8,
            DataType::Binary,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Boolean,
            crate::schema::instant(),
        ];
        for kind in kinds {
            let mut cells = Cells::new(Stuff::of(&kind).unwrap());
            cells.put_long(1, 1);
            cells.put_bytes(1, b"\xff");
            cells.put_double(3, -2.5);
            let array = cells.array(5, &kind);
            assert_eq!((array.len(), array.is_null(0), array.is_null(4)), (5, true, true));
            let mut again = Cells::new(Stuff::of(&kind).unwrap());
            again.put_array(0, &array.slice(0, 2));
            again.put_array(2, &array.slice(2, 3));
            assert_eq!(&again.array(5, &kind), &array, "{kind}");
        }
    }
}
