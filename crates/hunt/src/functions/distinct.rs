//! `count(DISTINCT text)` in the memory that it needs. The engine's own makes room for half a thousand
//! texts in every group before the first one comes, and does not tell the pool: two hundred thousand
//! groups of a few texts each took eight gigabytes. Everything else about `count` is the engine's.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};

/// The function that is wrapped.
pub(crate) const COUNT: &str = "count";

/// The engine's `count` with our way of telling texts apart.
pub(crate) fn wrap(inner: Arc<AggregateUDF>) -> AggregateUDF {
    AggregateUDF::new_from_impl(Count { inner })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Count {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Count {
    fn name(&self) -> &'static str {
        COUNT
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.expr_fields {
            [text] if args.is_distinct && is_text(text.data_type()) => {
                Ok(Box::new(Texts::new(text.data_type().clone())))
            }
            _ => self.inner.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.value_from_stats(statistics)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The different texts of one group.
#[derive(Debug)]
struct Texts {
    data_type: DataType,
    seen: HashSet<Box<str>>,
    /// Of all of them together.
    bytes: usize,
}

impl Texts {
    fn new(data_type: DataType) -> Self {
        Self { data_type, seen: HashSet::new(), bytes: 0 }
    }

    fn add(&mut self, texts: &ArrayRef) -> Result<()> {
        match texts.data_type() {
            DataType::Utf8 => self.extend(texts.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.extend(texts.as_string::<i64>().iter()),
            DataType::Utf8View => self.extend(texts.as_string_view().iter()),
            other => return internal_err!("{other} is no text"),
        }
        Ok(())
    }

    fn extend<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) {
        for text in texts.flatten() {
            if !self.seen.contains(text) {
                self.bytes += text.len();
                self.seen.insert(text.into());
            }
        }
    }
}

impl Accumulator for Texts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.iter().try_for_each(|texts| self.add(texts))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states.iter().flat_map(|state| state.as_list::<i32>().iter().flatten());
        for texts in lists {
            self.add(&texts)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let texts = StringViewArray::from_iter_values(self.seen.iter());
        let texts = cast(&texts, &self.data_type)?;
        Ok(vec![SingleRowListArrayBuilder::new(texts).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.seen.len() as i64)))
    }

    fn size(&self) -> usize {
        // A place of the set is a pointer, a length and a byte of its own.
        let place = size_of::<Box<str>>() + 1;
        size_of_val(self) + self.seen.capacity() * place + self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_group_of_one_text_is_small_and_says_how_small() {
        let mut texts = Texts::new(DataType::Utf8View);
        let few: ArrayRef = Arc::new(StringViewArray::from(vec![Some("anna"), None, Some("anna")]));
        texts.update_batch(&[few]).unwrap();
        assert!(texts.size() < 300, "{}", texts.size());
        let many: ArrayRef = Arc::new(StringViewArray::from_iter_values(
            (0..1_000).map(|n| format!("a text that is long {n}")),
        ));
        texts.update_batch(&[many]).unwrap();
        assert!(texts.size() > 20_000);
        assert_eq!(texts.evaluate().unwrap(), ScalarValue::Int64(Some(1_001)));
    }

    #[test]
    fn states_are_merged() {
        for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            let column = |texts: [&str; 2]| {
                cast(&StringViewArray::from_iter_values(texts), &data_type).unwrap()
            };
            let mut one = Texts::new(data_type.clone());
            one.update_batch(&[column(["a", "b"])]).unwrap();
            let mut other = Texts::new(data_type.clone());
            other.update_batch(&[column(["b", "c"])]).unwrap();
            let state = other.state().unwrap().remove(0).to_array().unwrap();
            one.merge_batch(&[state]).unwrap();
            assert_eq!(one.evaluate().unwrap(), ScalarValue::Int64(Some(3)));
        }
    }
}
