//! The guards that the promise stands on. In a test build the simulation takes them off, one at a time, to see that it
//! would notice (`tests/simulation`); in any other build they are constants and cost nothing.

/// A guard that a test may take off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// A frontier is the least over all inputs.
    FrontierOverAllInputs,
    /// Outputs are in the log before the offsets that they follow from.
    OutputsBeforeOffsets,
    /// A snapshot holds the closed orders that are only remembered.
    SnapshotKeepsTombstones,
    /// While the inputs are replayed nothing is published.
    RestoreIsMuted,
    /// What was drained counts as published only once its transaction has committed.
    PublishedOnceCommitted,
    /// `exceptions-current` is read up to the position that the commits name, not to the end that is seen.
    ReadBackToTheNamedPosition,
    /// Over an edit, a cycle whose end came too late is over only once the frontier is past its deadline and grace.
    TooLateIsOverOnceDue,
    /// A restore reads the control topic until it says of the shard what its last commit says.
    DocumentsAsCommitted,
    /// A checkout's records are not those of the order that has its id.
    EntitiesApart,
}

#[cfg(not(test))]
pub(crate) const fn is_off(_: Guard) -> bool {
    false
}

#[cfg(test)]
pub(crate) use off::{is_off, without};

#[cfg(test)]
mod off {
    use std::cell::Cell;

    use super::Guard;

    thread_local! {
        static OFF: Cell<Option<Guard>> = const { Cell::new(None) };
    }

    pub(crate) fn is_off(guard: Guard) -> bool {
        OFF.get() == Some(guard)
    }

    /// Runs `run` on this thread with one guard off.
    pub(crate) fn without<T>(guard: Guard, run: impl FnOnce() -> T) -> T {
        struct On;
        impl Drop for On {
            fn drop(&mut self) {
                OFF.set(None);
            }
        }
        OFF.set(Some(guard));
        let _on = On;
        run()
    }
}
