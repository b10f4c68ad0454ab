//! A rule of the optimizer: who asks for an event by its id gets the rows of its place looked at,
//! which statistics find without reading the others.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator};
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
