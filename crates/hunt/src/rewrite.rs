//! Rules of the optimizer.
//!
//! [`EventPlaces`]: who asks for an event by its id gets the rows of its place looked at, which
//! statistics find without reading the others. [`SpanFrames`]: a window of ten minutes is counted in
//! plain numbers.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable as _, Filter, LogicalPlan, Operator, Window, WindowFrameBound,
    WindowFrameUnits, cast,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use model::EventUid;

use crate::functions::{EVENT_UID, places};

/// Adds to `event_uid(…) = 'e-…'` what it says of the columns that the id is made of.
#[derive(Debug)]
pub(crate) struct EventPlaces;

impl OptimizerRule for EventPlaces {
    fn name(&self) -> &'static str {
        "event_places"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let parts: Vec<Expr> = split_conjunction(&filter.predicate).into_iter().cloned().collect();
        let added: Vec<Expr> =
            parts.iter().filter_map(said_of).filter(|place| !parts.contains(place)).collect();
        if added.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        match conjunction(added.into_iter().chain(parts)) {
            Some(predicate) => {
                let filter = Filter::try_new(predicate, filter.input)?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            None => Ok(Transformed::no(LogicalPlan::Filter(filter))),
        }
    }
}

/// What a condition says of the place of an event.
fn said_of(condition: &Expr) -> Option<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (call, id) = if constant(right).is_some() { (left, right) } else { (right, left) };
            places(arguments(call)?, &[constant(id)?.parse().ok()?])
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let ids: Option<Vec<EventUid>> =
                list.iter().map(|id| constant(id)?.parse().ok()).collect();
            places(arguments(expr)?, &ids?)
        }
        _ => None,
    }
}

fn arguments(call: &Expr) -> Option<&[Expr]> {
    match call {
        Expr::ScalarFunction(function) if function.name() == EVENT_UID => Some(&function.args),
        Expr::Cast(cast) => arguments(&cast.expr),
        _ => None,
    }
}

fn constant(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Makes `ORDER BY time RANGE BETWEEN INTERVAL '10 minutes' PRECEDING …` a range of microseconds. The
/// engine finds the edges of a frame anew for each row, and a step of the calendar costs it far more
/// than a subtraction. In UTC they are the same, but for months, which are left alone.
#[derive(Debug)]
pub(crate) struct SpanFrames;

impl OptimizerRule for SpanFrames {
    fn name(&self) -> &'static str {
        "span_frames"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Window(window) = plan else { return Ok(Transformed::no(plan)) };
        let schema = window.input.schema();
        let counted: Vec<_> = window.window_expr.iter().map(|e| in_micros(e, schema)).collect();
        if counted.iter().all(Option::is_none) {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        }
        let kept = window.window_expr.into_iter();
        let expressions = counted.into_iter().zip(kept).map(|(new, old)| new.unwrap_or(old));
        let window = Window::try_new(expressions.collect(), window.input)?;
        Ok(Transformed::yes(LogicalPlan::Window(window)))
    }
}

/// A window over spans of time as one over numbers, under its old name.
fn in_micros(expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    let named = match expression {
        Expr::Alias(alias) => alias.expr.as_ref(),
        unnamed => unnamed,
    };
    let Expr::WindowFunction(function) = named else { return None };
    let mut function = function.clone();
    let frame = &mut function.params.window_frame;
    let [order] = function.params.order_by.as_mut_slice() else { return None };
    if frame.units != WindowFrameUnits::Range || !is_utc(&order.expr.get_type(schema).ok()?) {
        return None;
    }
    let (start, end) = (bound(&frame.start_bound)?, bound(&frame.end_bound)?);
    (frame.start_bound, frame.end_bound) = (start, end);
    order.expr = cast(order.expr.clone(), DataType::Int64);
    let (table, name) = expression.qualified_name();
    Some(Expr::WindowFunction(function).alias_qualified(table, name))
}

fn is_utc(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some(zone))
        if matches!(zone.as_ref(), "UTC" | "+00:00"))
}

/// A bound in microseconds; nothing when it cannot be said so.
fn bound(bound: &WindowFrameBound) -> Option<WindowFrameBound> {
    Some(match bound {
        WindowFrameBound::Preceding(span) => WindowFrameBound::Preceding(micros(span)?),
        WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
        WindowFrameBound::Following(span) => WindowFrameBound::Following(micros(span)?),
    })
}

/// Null stands for a bound that is none.
fn micros(span: &ScalarValue) -> Option<ScalarValue> {
    let span = match span {
        span if span.is_null() => None,
        ScalarValue::IntervalMonthDayNano(Some(span)) => {
            if span.months != 0 || span.nanoseconds % 1_000 != 0 {
                return None;
            }
            let days = i64::from(span.days).checked_mul(86_400_000_000)?;
            Some(days.checked_add(span.nanoseconds / 1_000)?)
        }
        _ => return None,
    };
    Some(ScalarValue::Int64(span))
}
