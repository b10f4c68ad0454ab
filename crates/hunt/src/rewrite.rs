//! Rules of the optimizer.
//!
//! [`EventPlaces`]: who asks for an event by its id gets the rows of its place looked at, which
//! statistics find without reading the others. [`FiltersInside`]: what a window's FILTER leaves out
//! becomes null before it is counted.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, LogicalPlan, Operator, Window, WindowFunctionDefinition, when,
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

/// Makes `count(*) FILTER (WHERE failed) OVER …` a `count(CASE WHEN failed THEN 1 END) OVER …`: the
/// engine shows the filter of a planned window to nobody, and [`crate::window`] then has none to see.
#[derive(Debug)]
pub(crate) struct FiltersInside;

/// The aggregates for which a null is as if it were not there.
const PASS_NULLS_OVER: [&str; 13] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "bool_and",
    "bool_or",
    "approx_distinct",
];

impl OptimizerRule for FiltersInside {
    fn name(&self) -> &'static str {
        "filters_inside"
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
        let mut changed = false;
        let mut functions = Vec::new();
        for function in window.window_expr {
            let inside = filter_inside(&function)?;
            changed |= inside.is_some();
            functions.push(inside.unwrap_or(function));
        }
        let window = Window::try_new(functions, window.input)?;
        let plan = LogicalPlan::Window(window);
        Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
    }
}

/// A filtered function as one that is not, under its old name.
fn filter_inside(expression: &Expr) -> Result<Option<Expr>> {
    let function = match expression {
        Expr::Alias(alias) => alias.expr.as_ref(),
        unnamed => unnamed,
    };
    let Expr::WindowFunction(function) = function else { return Ok(None) };
    let WindowFunctionDefinition::AggregateUDF(aggregate) = &function.fun else { return Ok(None) };
    let mut function = function.clone();
    let [argument] = function.params.args.as_mut_slice() else { return Ok(None) };
    let Some(filter) =
        function.params.filter.take_if(|_| PASS_NULLS_OVER.contains(&aggregate.name()))
    else {
        return Ok(None);
    };
    *argument = when(*filter, argument.clone()).end()?;
    let (table, name) = expression.qualified_name();
    Ok(Some(Expr::WindowFunction(function).alias_qualified(table, name)))
}
