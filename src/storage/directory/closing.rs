//! Dropping what may never come to an end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Drops `held` and calls `then` on a thread of their own, and waits for that up to `patience`. Gives whether it has ended.
pub(in crate::storage) fn drop_elsewhere<T: Send + 'static>(
    held: T,
    patience: Duration,
    then: impl FnOnce() + Send + 'static,
) -> bool {
    let (done, wait) = mpsc::channel::<()>();
    let work = move || {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(held)));
        then();
        drop(done);
    };
    // A thread that cannot be had drops `work`, and so `held`, here.
    match thread::Builder::new().name("pivotdb-close".to_owned()).spawn(work) {
        Ok(_) => wait.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Disconnected),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OnDrop<F: FnMut()>(F);

    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    #[test]
    fn what_never_ends_is_not_waited_for() {
        let (release, wait) = mpsc::channel::<()>();
        let (told, ended) = mpsc::channel();
        let held = OnDrop(move || {
            let _ = wait.recv();
        });
        let then = move || told.send(()).unwrap();
        assert!(!drop_elsewhere(held, Duration::from_millis(20), then));
        assert_eq!(ended.try_recv(), Err(mpsc::TryRecvError::Empty), "what depends on the end waits for it");
        drop(release);
        assert_eq!(ended.recv(), Ok(()));
    }

    #[test]
    fn a_panic_ends_it() {
        let (told, ended) = mpsc::channel();
        let held = OnDrop(|| panic!("planted"));
        assert!(drop_elsewhere(held, Duration::from_secs(60), move || told.send(()).unwrap()));
        assert_eq!(ended.try_recv(), Ok(()));
    }
}
