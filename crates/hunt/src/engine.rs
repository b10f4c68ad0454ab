//! The threads on which queries are planned and run: not the caller's. A query that computes without
//! a pause then stops neither a timer nor Ctrl-C, and the stack is deep enough for what
//! [`crate::guard`] lets through.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Stack of a thread. It is address space, not memory, until it is used.
const STACK: usize = 64 << 20;

/// A pool of threads.
#[derive(Debug)]
pub(crate) struct Engine(Option<Runtime>);

impl Engine {
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_stack_size(STACK)
            .thread_name("hunt")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs a task here; nothing when the pool is being taken down.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.0.as_ref().map(|runtime| runtime.spawn(task))
    }
}

impl Drop for Engine {
    /// A runtime must not wait for its threads inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
