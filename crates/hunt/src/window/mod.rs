//! Window functions, our way. The engine has two: one keeps all rows of all partitions, three times
//! over; the other keeps those of the frames. Neither tells the memory pool, and both find the edges of
//! a frame anew for each row, scalar by scalar.
//!
//! Here rows go through partition by partition. What a function needs of them is kept and accounted
//! for; the rows themselves wait for what is said of them, on the disk where they are many. A query
//! whose partition does not fit into memory all the same is told so.

mod calculation;
mod fold;
mod frame;
mod held;
mod runs;
mod waiting;
mod whole;
mod work;

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ChildStats, ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    InputOrderMode, PlanProperties, StatisticsArgs, WindowExpr,
};
use futures::FutureExt as _;

pub(crate) use work::CONSUMER;
use work::Work;

/// Puts our windows where the engine has planned its own.
#[derive(Debug)]
pub(crate) struct OwnWindows;

impl PhysicalOptimizerRule for OwnWindows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match ours(&plan)? {
            Some(window) => Ok(Transformed::yes(Arc::new(window) as Arc<dyn ExecutionPlan>)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "own_windows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn ours(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<WindowExec>> {
    if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        return Ok(Some(WindowExec::new(window.clone())));
    }
    let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() else { return Ok(None) };
    let sorted = window.input_order_mode == InputOrderMode::Sorted;
    if !sorted || window.window_expr().iter().all(|function| is_passing(function.as_ref())) {
        return Ok(None);
    }
    let partitioned = !window.partition_keys().is_empty();
    let (functions, input) = (window.window_expr().to_vec(), Arc::clone(window.input()));
    Ok(Some(WindowExec::new(WindowAggExec::try_new(functions, input, partitioned)?)))
}

/// True for what looks at no frame (`row_number`, `lag`): the engine lets rows pass as they come, and
/// holds next to none.
fn is_passing(function: &dyn WindowExpr) -> bool {
    let standard = function.as_any().downcast_ref::<StandardWindowExpr>();
    let evaluator = standard.map(|standard| standard.get_standard_func_expr().create_evaluator());
    evaluator.is_some_and(|evaluator| evaluator.is_ok_and(|e| !e.uses_window_frame()))
}

/// A window over sorted rows.
#[derive(Debug)]
struct WindowExec {
    /// The engine's, which knows what it wants of its input and what comes out.
    planned: WindowAggExec,
    metrics: ExecutionPlanMetricsSet,
}

impl WindowExec {
    fn new(planned: WindowAggExec) -> Self {
        Self { planned, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for WindowExec {
    fn fmt_as(&self, form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if form == DisplayFormatType::TreeRender {
            return self.planned.fmt_as(form, f);
        }
        let functions = self.planned.window_expr().iter();
        let functions = functions.map(|w| format!("{} {}", w.name(), w.get_window_frame()));
        write!(f, "WindowExec: {}", functions.collect::<Vec<_>>().join(", "))
    }
}

impl ExecutionPlan for WindowExec {
    fn name(&self) -> &'static str {
        "WindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.planned.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.planned.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.planned.apply_expressions(f)
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.planned.maintains_input_order()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.planned.required_input_ordering()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.planned.input_distribution_requirements()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = Arc::new(self.planned.clone()).replace_children(children, options)?;
        match planned.downcast_ref::<WindowAggExec>() {
            Some(planned) => Ok(Arc::new(Self::new(planned.clone()))),
            None => internal_err!("a window became something else"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.planned.input().execute(partition, Arc::clone(&context))?;
        let functions = self.planned.window_expr().to_vec();
        let schema = self.schema();
        let metrics = (
            BaselineMetrics::new(&self.metrics, partition),
            SpillMetrics::new(&self.metrics, partition),
        );
        let out = Arc::clone(&schema);
        let rows = async move {
            let work = Work::begin(input, &functions, out, &context, metrics).await;
            futures::stream::try_unfold(work, async |mut work| {
                Ok(work.next().await?.map(|batch| (batch, work)))
            })
        };
        let rows = rows.flatten_stream();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.planned.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.planned.statistics_from_inputs(inputs, args)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
