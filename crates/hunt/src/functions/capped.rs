//! Functions of SQL that make much out of little (`repeat('x', 2000000000)`) take their memory outside
//! the engine's pool. They are wrapped: what one call may make of one row is bounded. Those that make
//! lists out of two numbers are left out; their table forms (`FROM generate_series(…)`) stream.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Bytes, or elements, that one call may make of one row.
const CAP: u64 = 8 << 10;

/// What a call makes of its arguments at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Makes {
    /// As much as the argument at that place says.
    Number(usize),
    /// That many times the first argument.
    Times(usize),
    /// The first argument with each of its characters replaced by the argument at that place.
    Replaced(usize),
}

/// A function and what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Capped {
    pub(crate) name: &'static str,
    makes: Makes,
}

/// The functions that are capped.
pub(crate) const CAPPED: &[Capped] = &[
    Capped { name: "repeat", makes: Makes::Times(1) },
    Capped { name: "lpad", makes: Makes::Number(1) },
    Capped { name: "rpad", makes: Makes::Number(1) },
    Capped { name: "array_repeat", makes: Makes::Number(1) },
    Capped { name: "list_repeat", makes: Makes::Number(1) },
    Capped { name: "array_resize", makes: Makes::Number(1) },
    Capped { name: "list_resize", makes: Makes::Number(1) },
    Capped { name: "replace", makes: Makes::Replaced(2) },
    Capped { name: "regexp_replace", makes: Makes::Replaced(2) },
];

/// The functions that are left out.
pub(crate) const LEFT_OUT: &[&str] = &["range", "generate_series"];

/// The function with a bound.
pub(crate) fn wrap(inner: Arc<ScalarUDF>, capped: Capped) -> ScalarUDF {
    ScalarUDF::new_from_impl(Wrapped { inner, capped })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Wrapped {
    inner: Arc<ScalarUDF>,
    capped: Capped,
}

impl ScalarUDFImpl for Wrapped {
    fn name(&self) -> &str {
        self.capped.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let made = match self.capped.makes {
            Makes::Number(at) => number(args.args.get(at))?,
            Makes::Times(at) => longest(args.args.first())? * number(args.args.get(at))?,
            // A text that gets shorter, or is shorter than the bound anyway, is no concern.
            Makes::Replaced(at) => match longest(args.args.get(at))? {
                0 | 1 => 0,
                with => longest(args.args.first())? * with / 64,
            },
        };
        if made > CAP {
            return exec_err!("{} may make at most {CAP} at a time", self.capped.name);
        }
        self.inner.invoke_with_args(args)
    }
}

/// The greatest number.
fn number(value: Option<&ColumnarValue>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    let array = value.to_array(1)?;
    let numbers = arrow::compute::cast(&array, &DataType::Int64)?;
    let most = arrow::compute::max(numbers.as_primitive::<Int64Type>());
    Ok(most.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

/// The length of the longest text.
fn longest(value: Option<&ColumnarValue>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    let array = value.to_array(1)?;
    if array.data_type().is_null() {
        return Ok(0);
    }
    let texts = arrow::compute::cast(&array, &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    let longest =
        (0..texts.len()).filter(|row| texts.is_valid(*row)).map(|row| texts.value(row).len());
    Ok(longest.max().unwrap_or(0) as u64)
}
