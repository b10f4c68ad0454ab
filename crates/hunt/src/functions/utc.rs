//! `date_trunc` for instants in UTC, as all of the lake's are. The engine's own takes every row through
//! the calendar of its time zone; in UTC an hour and a day are plain numbers, and without a zone it
//! knows that: ten times faster.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The function that is wrapped.
pub(crate) const DATE_TRUNC: &str = "date_trunc";

/// The engine's `date_trunc`, faster in UTC.
pub(crate) fn wrap(inner: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::new_from_impl(DateTrunc { inner })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &'static str {
        DATE_TRUNC
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
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

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(zone) = args.args.get(1).and_then(utc) else {
            return self.inner.invoke_with_args(args);
        };
        if let Some(times) = args.args.get_mut(1) {
            *times = with_zone(times, None);
        }
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        args.return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(local));
        Ok(with_zone(&self.inner.invoke_with_args(args)?, Some(zone)))
    }
}

/// The zone of a column of instants, where it is UTC.
fn utc(times: &ColumnarValue) -> Option<Arc<str>> {
    let ColumnarValue::Array(array) = times else { return None };
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone))
            if matches!(zone.as_ref(), "UTC" | "+00:00") =>
        {
            Some(Arc::clone(zone))
        }
        _ => None,
    }
}

/// The same numbers under another zone.
fn with_zone(times: &ColumnarValue, zone: Option<Arc<str>>) -> ColumnarValue {
    match times {
        ColumnarValue::Array(array) => match array.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(numbers) => {
                ColumnarValue::Array(Arc::new(numbers.clone().with_timezone_opt(zone)))
            }
            None => times.clone(),
        },
        ColumnarValue::Scalar(_) => times.clone(),
    }
}
