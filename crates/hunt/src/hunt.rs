//! The engine over one lake.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;
use lake::{Lake, SnapshotTable, Table};
use model::Micros;

use crate::answer::{Answer, too_slow};
use crate::engine::Engine;
use crate::error::{HuntError, Kind, Known, explain};
use crate::memory::Memory;
use crate::rewrite::{EventPlaces, FiltersInside};
use crate::stores::Stores;
use crate::tables::{CATALOG, Catalog, SCHEMA, Tables};
use crate::window::OwnWindows;
use crate::{functions, guard};

/// The part of a query's memory that the indexes of the last files read may take beside it. Those of
/// one file are some ten megabytes, and reading them anew takes as long as finding a needle by them.
const METADATA: usize = 4;

/// What a query may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of memory for sorts, joins and groups; beyond them they spill to disk.
    pub memory: usize,
    /// Bytes of disk for what is spilled.
    pub disk: u64,
    /// Where it is spilled; nothing is, where there is no place.
    pub spill: Option<PathBuf>,
    /// Rows of an answer; there is no bound without it.
    pub rows: Option<usize>,
    /// Time for a query.
    pub timeout: Option<Duration>,
    /// Threads.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 512 << 20,
            disk: 20 << 30,
            spill: None,
            rows: None,
            timeout: None,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// The span that a query looks at: from `since` on, before `until`. It holds for every table that has
/// a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Between {
    /// From here on.
    pub since: Option<Micros>,
    /// Before this.
    pub until: Option<Micros>,
}

/// The tables of a lake as they stood when it was opened, ready for questions.
#[derive(Debug)]
pub struct Hunt {
    snapshots: BTreeMap<&'static str, Arc<SnapshotTable>>,
    lists: BTreeMap<String, Arc<dyn TableProvider>>,
    runtime: Arc<RuntimeEnv>,
    engine: Arc<Engine>,
    limits: Limits,
    now: Micros,
}

impl Hunt {
    /// Opens a lake. `now` is what `ago('1h')` counts from.
    pub async fn open(lake: &Lake, limits: Limits, now: Micros) -> Result<Self, HuntError> {
        let mut snapshots = BTreeMap::new();
        let mut stores = Stores::default();
        for table in Table::ALL {
            let snapshot = lake.provider(table).await?;
            if let Some(store) = snapshot.store() {
                stores.add(snapshot.store_url().map_err(internal)?.as_ref(), store);
            }
            snapshots.insert(table.name(), snapshot);
        }
        let runtime = runtime(&limits, stores).map_err(internal)?;
        let engine = Engine::new(limits.threads)
            .map_err(|error| HuntError::new(Kind::Internal, format!("no threads: {error}")))?;
        let (lists, engine) = (BTreeMap::new(), Arc::new(engine));
        Ok(Self { snapshots, lists, runtime, engine, limits, now })
    }

    /// Adds a table that the operator brings along (`--table name=file`); it hides no table of the
    /// lake.
    pub(crate) fn add(
        &mut self,
        name: &str,
        table: Arc<dyn TableProvider>,
    ) -> Result<(), HuntError> {
        let sound = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.starts_with(|c: char| c.is_ascii_lowercase());
        if !sound {
            return Err(HuntError::new(
                Kind::Name,
                format!("`{name}` cannot be a table: use lower-case letters, digits and `_`"),
            ));
        }
        let tables = Tables::new(&self.snapshots, &self.lists, Between::default());
        if datafusion::catalog::SchemaProvider::table_exist(&tables, name) {
            return Err(HuntError::new(Kind::Name, format!("there is a table `{name}` already")));
        }
        self.lists.insert(name.to_owned(), table);
        Ok(())
    }

    /// Answers one query.
    pub async fn query(&self, sql: &str, between: Between) -> Result<Answer, HuntError> {
        self.query_with(sql, &HashMap::new(), between).await
    }

    /// Answers one query whose `$name` places have these values. A value never becomes part of the
    /// text.
    pub async fn query_with(
        &self,
        sql: &str,
        values: &HashMap<String, ScalarValue>,
        between: Between,
    ) -> Result<Answer, HuntError> {
        guard::check_text(sql)?;
        let mut context = self.context();
        functions::register(&mut context, self.now).map_err(internal)?;
        let tables = Tables::new(&self.snapshots, &self.lists, between);
        context.register_catalog(CATALOG, Arc::new(Catalog(Arc::new(tables))));
        let known = known(&context);
        let deadline = self.limits.timeout.map(|span| tokio::time::Instant::now() + span);
        let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
        let (schema_sender, schema) = tokio::sync::oneshot::channel();
        let (text, values, rows) = (sql.to_owned(), values.clone(), self.limits.rows);
        let task = self.engine.spawn(async move {
            let started = start(&context, &text, &values, rows).await;
            let mut stream = match started {
                Ok(stream) => stream,
                Err(failure) => {
                    let _ = schema_sender.send(Err(failure));
                    return;
                }
            };
            let _ = schema_sender.send(Ok(stream.schema()));
            while let Some(batch) = stream.next().await {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        let Some(task) = task.map(|task| task.abort_handle()) else {
            return Err(HuntError::new(Kind::Internal, "the engine has been taken down"));
        };
        let schema = match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline, schema).await {
                Ok(schema) => schema,
                Err(_) => {
                    task.abort();
                    return Err(too_slow(self.limits.timeout));
                }
            },
            None => schema.await,
        };
        let schema = match schema {
            Ok(Ok(schema)) => schema,
            Ok(Err(Failure::Ours(error))) => return Err(error),
            Ok(Err(Failure::Engines(error))) => return Err(explain(error, sql, &known)),
            Err(_) => {
                receiver.close();
                return Err(HuntError::new(
                    Kind::Internal,
                    "the engine failed and did not say why",
                ));
            }
        };
        Ok(Answer {
            schema,
            batches: receiver,
            task,
            sql: sql.to_owned(),
            known,
            left: self.limits.rows,
            cut: false,
            deadline,
            timeout: self.limits.timeout,
            _engine: Arc::clone(&self.engine),
        })
    }

    fn context(&self) -> SessionContext {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.limits.threads.max(1))
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA);
        let options = config.options_mut();
        options.sql_parser.collect_spans = true;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.time_zone = Some("+00:00".to_owned());
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_file_formats(Vec::new())
            .with_table_factories(HashMap::new())
            .with_optimizer_rule(Arc::new(EventPlaces))
            .with_optimizer_rule(Arc::new(FiltersInside))
            .with_physical_optimizer_rule(Arc::new(OwnWindows))
            .build();
        SessionContext::new_with_state(state)
    }
}

/// Why a query did not start.
enum Failure {
    Ours(HuntError),
    Engines(DataFusionError),
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self::Engines(error)
    }
}

/// Plans a query and starts it.
async fn start(
    context: &SessionContext,
    sql: &str,
    values: &HashMap<String, ScalarValue>,
    rows: Option<usize>,
) -> Result<SendableRecordBatchStream, Failure> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect)?;
    guard::check(&statement).map_err(Failure::Ours)?;
    let mut plan = state.statement_to_plan(statement).await?;
    guard::options().verify_plan(&plan)?;
    if !values.is_empty() {
        plan = plan.with_param_values(ParamValues::from(values.clone()))?;
    }
    if let Some(name) = plan.get_parameter_names()?.into_iter().next() {
        let message = format!("`{name}` has no value");
        return Err(Failure::Ours(HuntError::new(Kind::Hunt, message)));
    }
    let asks = !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    if let Some(rows) = rows.filter(|_| asks) {
        // One more, to know whether there were more.
        plan = LogicalPlanBuilder::from(plan).limit(0, Some(rows + 1))?.build()?;
    }
    let physical = state.create_physical_plan(&plan).await?;
    Ok(datafusion::physical_plan::execute_stream(physical, context.task_ctx())?)
}

fn runtime(limits: &Limits, stores: Stores) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    let mode = match &limits.spill {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::Disabled,
    };
    let disk =
        DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(limits.disk);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(Memory::new(limits.memory)))
        .with_metadata_cache_limit(limits.memory / METADATA)
        .with_disk_manager_builder(disk)
        .with_object_store_registry(Arc::new(stores))
        .build_arc()
}

fn known(context: &SessionContext) -> Known {
    let state = context.state();
    let tables = context
        .catalog(CATALOG)
        .and_then(|catalog| catalog.schema(SCHEMA))
        .map_or_else(Vec::new, |schema| schema.table_names());
    let functions = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys())
        .cloned()
        .collect();
    Known { tables, functions }
}

fn internal(error: DataFusionError) -> HuntError {
    HuntError::new(Kind::Internal, error.to_string())
}
