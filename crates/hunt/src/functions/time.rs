//! `ago`: an instant before now. The clock is passed in when a hunt is opened.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use model::Micros;

/// `ago(span)`, counted from `now`.
pub(crate) fn ago(now: Micros) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8View], Volatility::Immutable);
    ScalarUDF::new_from_impl(Ago { now, signature })
}

#[derive(Debug)]
struct Ago {
    now: Micros,
    signature: Signature,
}

impl PartialEq for Ago {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
    }
}

impl Eq for Ago {}

impl Hash for Ago {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.now.hash(state);
    }
}

impl ScalarUDFImpl for Ago {
    fn name(&self) -> &'static str {
        "ago"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = match args.args.first() {
            Some(ColumnarValue::Scalar(scalar)) => scalar.try_as_str().flatten(),
            _ => return plan_err!("ago takes a span as text, not a column"),
        };
        let Some(text) = text else {
            return Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(
                None,
                Some("UTC".into()),
            )));
        };
        let Some(span) = read_span(text) else {
            return plan_err!("`{text}` is not a span of time such as 90s, 15m, 1h, 7d or 2w");
        };
        let time = self.now.0.saturating_sub(span);
        let zone: Option<Arc<str>> = Some("UTC".into());
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(time), zone)))
    }
}

/// Reads `1h`, `90 minutes`, `2d12h` into microseconds.
pub(crate) fn read_span(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let seconds: i64 = match unit.to_ascii_lowercase().as_str() {
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 7 * 86_400,
            _ => return None,
        };
        let number: i64 = number.parse().ok()?;
        total = total.checked_add(number.checked_mul(seconds)?.checked_mul(1_000_000)?)?;
        rest = next.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!(read_span("90s"), Some(90_000_000));
        assert_eq!(read_span("2d 12h"), Some(216_000_000_000));
        assert_eq!(read_span("15 minutes"), Some(900_000_000));
        for bad in ["", "h", "1", "1y", "-1h", "1h!", "99999999999999999999w", "9999999999999w"] {
            assert_eq!(read_span(bad), None, "{bad}");
        }
    }
}
