//! What the functions are made of: a plain Rust function over columns of text or numbers, dressed as
//! the engine wants it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, StringViewArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A function: its name, its types, its body.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) name: &'static str,
    pub(crate) takes: Vec<DataType>,
    pub(crate) gives: DataType,
    pub(crate) body: fn(&Arguments<'_>) -> Result<ArrayRef>,
}

impl Plain {
    /// As the engine wants it.
    pub(crate) fn udf(self) -> ScalarUDF {
        let signature = Signature::exact(self.takes.clone(), Volatility::Immutable);
        ScalarUDF::new_from_impl(Dressed { plain: self, signature })
    }
}

/// The arguments of a call.
pub(crate) struct Arguments<'a> {
    arguments: &'a [ColumnarValue],
    rows: usize,
}

impl Arguments<'_> {
    /// How many rows are wanted.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    #[allow(clippy::option_option)] // A constant may be null, and an argument may be no constant.
    /// The text of an argument that is the same in every row: outer `None` when it varies.
    pub(crate) fn constant(&self, at: usize) -> Option<Option<&str>> {
        match self.arguments.get(at)? {
            ColumnarValue::Scalar(scalar) => Some(scalar.try_as_str().flatten()),
            ColumnarValue::Array(_) => None,
        }
    }

    /// A column of text.
    pub(crate) fn text(&self, at: usize) -> Result<StringViewArray> {
        Ok(self.array(at, &DataType::Utf8View)?.as_string_view().clone())
    }

    /// A column of numbers.
    pub(crate) fn numbers(&self, at: usize) -> Result<arrow::array::Float64Array> {
        Ok(self.array(at, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
    }

    /// A column of whole numbers.
    pub(crate) fn whole(&self, at: usize) -> Result<arrow::array::Int64Array> {
        let array = self.array(at, &DataType::Int64)?;
        Ok(array.as_primitive::<arrow::datatypes::Int64Type>().clone())
    }

    fn array(&self, at: usize, wanted: &DataType) -> Result<ArrayRef> {
        let array = match self.arguments.get(at) {
            Some(ColumnarValue::Array(array)) => Arc::clone(array),
            Some(ColumnarValue::Scalar(scalar)) => scalar.to_array_of_size(self.rows)?,
            None => return exec_err!("argument {} is missing", at + 1),
        };
        if array.data_type() == wanted {
            return Ok(array);
        }
        Ok(arrow::compute::cast(&array, wanted)?)
    }

    /// Text to something, row by row; nothing stays nothing.
    pub(crate) fn map_text<'s, T, C: FromIterator<Option<T>>>(
        column: &'s StringViewArray,
        mut f: impl FnMut(&'s str) -> Option<T>,
    ) -> C {
        column.iter().map(|text| text.and_then(&mut f)).collect()
    }
}

#[derive(Debug)]
struct Dressed {
    plain: Plain,
    signature: Signature,
}

impl PartialEq for Dressed {
    fn eq(&self, other: &Self) -> bool {
        self.plain.name == other.plain.name
    }
}

impl Eq for Dressed {}

impl Hash for Dressed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plain.name.hash(state);
    }
}

impl ScalarUDFImpl for Dressed {
    fn name(&self) -> &str {
        self.plain.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.plain.gives.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let result = (self.plain.body)(&Arguments { arguments: &args.args, rows })?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        if result.len() != rows {
            return exec_err!("{} gave {} rows for {rows}", self.plain.name, result.len());
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// What every function over text takes.
pub(crate) fn texts(count: usize) -> Vec<DataType> {
    vec![DataType::Utf8View; count]
}
