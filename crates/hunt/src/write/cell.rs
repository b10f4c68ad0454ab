//! One value of an answer, as JSON and as text.

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use model::Micros;
use serde_json::{Map, Number, Value};

/// A value as JSON. Instants are RFC 3339 in UTC; what JSON cannot say is text.
pub(crate) fn json(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    macro_rules! number {
        ($kind:ty) => {
            Value::from(array.as_primitive::<$kind>().value(row))
        };
    }
    match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Timestamp(unit, _) => instant(array, *unit, row).to_string().into(),
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let members = array.as_struct();
            let pairs = fields.iter().zip(members.columns());
            let object: Map<_, _> = pairs
                .map(|(field, column)| (field.name().clone(), json(column.as_ref(), row)))
                .collect();
            Value::Object(object)
        }
        // What `json_get` gives: a value of one of several types.
        DataType::Union(..) => json(array.as_union().value(row).as_ref(), 0),
        _ => display(array, row).into(),
    }
}

/// A value as plain text, without any care for where it is shown; nothing for null.
pub(crate) fn text(array: &dyn Array, row: usize) -> Option<String> {
    Some(match json(array, row) {
        Value::Null => return None,
        Value::String(text) => text,
        Value::Array(list) => {
            // Lists of plain words are what people read; anything else stays JSON.
            let words: Option<Vec<&str>> = list
                .iter()
                .map(|value| value.as_str().filter(|word| !word.contains([',', '"'])))
                .collect();
            match words {
                Some(words) => words.join(", "),
                None => Value::Array(list).to_string(),
            }
        }
        other => other.to_string(),
    })
}

/// True for columns of numbers, which stand on the right and need no care in a spreadsheet.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type == &DataType::Boolean
}

fn list(values: &arrow::array::ArrayRef) -> Value {
    (0..values.len()).map(|row| json(values.as_ref(), row)).collect()
}

fn float(x: f64) -> Value {
    Number::from_f64(x).map_or_else(|| Value::String(x.to_string()), Value::Number)
}

fn instant(array: &dyn Array, unit: TimeUnit, row: usize) -> Micros {
    Micros(match unit {
        TimeUnit::Second => {
            array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000)
        }
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => {
            array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000)
        }
    })
}

fn display(array: &dyn Array, row: usize) -> String {
    match ArrayFormatter::try_new(array, &FormatOptions::default()) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(error) => error.to_string(),
    }
}
