//! Event ids: not stored, made of the provenance that is. A search for one becomes a search for its
//! place, which statistics can prune.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, ScalarUDF, lit};
use model::{Digest, EventUid, UID_INDEXES, UID_OFFSETS};

use super::kit::{Arguments, Plain};

/// The function's name.
pub(crate) const EVENT_UID: &str = "event_uid";

pub(crate) fn event_uid() -> ScalarUDF {
    Plain {
        name: EVENT_UID,
        takes: vec![DataType::Utf8View, DataType::Int64, DataType::Int64],
        gives: DataType::Utf8View,
        body: spell,
    }
    .udf()
}

fn spell(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let parcels = arguments.text(0)?;
    let offsets = arguments.whole(1)?;
    let indexes = arguments.whole(2)?;
    let mut out = StringViewBuilder::with_capacity(arguments.rows());
    let mut text = String::with_capacity(34);
    for ((parcel, offset), index) in parcels.iter().zip(offsets.iter()).zip(indexes.iter()) {
        text.clear();
        let (Some(parcel), Some(offset), Some(index)) = (parcel, offset, index) else {
            out.append_null();
            continue;
        };
        let (offset, index) = (offset as u64, index as u32);
        if offset < UID_OFFSETS && index < UID_INDEXES {
            let head = parcel.get(..16).unwrap_or(parcel);
            let _ = write!(text, "{}{head}{offset:010x}{index:06x}", EventUid::PREFIX);
        } else if let Ok(parcel) = parcel.parse::<Digest>() {
            let _ = write!(text, "{}", EventUid::of(&parcel, offset, index));
        }
        out.append_value(&text);
    }
    debug_assert_eq!(parcels.len(), offsets.len());
    Ok(Arc::new(out.finish()))
}

/// Text as the columns hold it: types are settled before this is called.
fn view(text: String) -> Expr {
    lit(ScalarValue::Utf8View(Some(text)))
}

/// Where events of these ids can lie: a filter on the columns that the ids are made of. It holds for
/// every event that has one of the ids, and for few others.
pub(crate) fn places(arguments: &[Expr], ids: &[EventUid]) -> Option<Expr> {
    let [parcel, offset, index] = arguments else { return None };
    let place = |id: &EventUid| {
        let (head, at, position) = id.place();
        let head = head.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        // `g` follows the last hexadecimal digit.
        parcel
            .clone()
            .gt_eq(view(head.clone()))
            .and(parcel.clone().lt(view(format!("{head}g"))))
            .and(offset.clone().eq(lit(at as i64)))
            .and(index.clone().eq(lit(i64::from(position))))
    };
    let far = offset
        .clone()
        .gt_eq(lit(UID_OFFSETS as i64))
        .or(index.clone().gt_eq(lit(i64::from(UID_INDEXES))));
    ids.iter().map(place).reduce(Expr::or).map(|near| near.or(far))
}
