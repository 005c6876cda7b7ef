//! Being told to stop: by whom, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::RunError;

/// A process that was told to stop and has not after this long ends all the same.
const STOP_WITHIN: Duration = Duration::from_millis(9_500);

/// Whether a run is to end.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    for_good: AtomicBool,
}

impl Stop {
    /// Asks for the end. `for_good`: no successor is coming, so a static member gives up its place in the group.
    pub fn ask(&self, for_good: bool) {
        self.for_good.fetch_or(for_good, Ordering::Relaxed);
        self.asked.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether no successor is coming.
    pub fn is_for_good(&self) -> bool {
        self.for_good.load(Ordering::Relaxed)
    }
}

/// SIGTERM asks `stop` for the end as a rolling restart does, SIGINT for good; a second one, or too long a stop, ends the
/// process.
///
/// # Errors
/// The system refuses a signal handler or a thread.
pub fn stop_on_signals(stop: &Arc<Stop>) -> Result<(), RunError> {
    let failed = |source| RunError::System { what: "signals cannot be watched".to_owned(), source };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let inside = runtime.enter();
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    drop(inside);
    let stop = Arc::clone(stop);
    let watch = async move {
        tokio::select! { _ = term.recv() => stop.ask(false), _ = int.recv() => stop.ask(true) }
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, () = tokio::time::sleep(STOP_WITHIN) => {} }
        // What is not committed is read again by whoever comes next.
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(watch)).map_err(failed)?;
    Ok(())
}
