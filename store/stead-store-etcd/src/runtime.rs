//! The thread on which everything that waits for etcd runs, so that callers need not know of it.

use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;

use stead_store::StoreError;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with an event loop. Dropping it drops what still runs.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What runs things on the thread; it may outlive it and refuses then.
#[derive(Clone, Debug)]
pub(crate) struct Runner(Handle);

impl Runtime {
    pub(crate) fn start() -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Io(format!("no thread for etcd: {error}"));
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            // An error means that the other end is gone, which says the same.
            let _ = runtime.block_on(ended);
        };
        let thread = std::thread::Builder::new().name("etcd".to_owned()).spawn(run).map_err(failed)?;
        Ok(Runtime { handle, end: Some(end), thread: Some(thread) })
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner(self.handle.clone())
    }
}

impl Runner {
    /// Runs it on the thread and waits for its end.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, result) = mpsc::sync_channel(1);
        self.0.spawn(async move {
            // Nobody waits any more only if the caller's thread is gone.
            let _ = done.send(work.await);
        });
        let closed = || StoreError::Io("it was closed; open it again".to_owned());
        result.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// Runs it on the thread.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
