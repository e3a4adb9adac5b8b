//! The parent's side of a child.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::event::{self, Config, Event};

/// Set for a child; the test of this name is its `main`.
pub(crate) const CHILD: &str = "PIVOTDB_RELIABILITY_CHILD";
pub(crate) const ENTRY: &str = "child";

/// A child that runs.
pub(crate) struct Process {
    child: Child,
    told: Arc<Told>,
    reader: Option<JoinHandle<()>>,
    errors: PathBuf,
}

#[derive(Default)]
struct Told {
    events: Mutex<(Vec<(Instant, Event)>, bool)>,
    changed: Condvar,
}

impl Process {
    /// The same program again. What it writes to its standard error goes to `errors`.
    pub(crate) fn start(config: &Config, errors: PathBuf) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program's file"))
            .args(["--exact", ENTRY, "--nocapture", "--test-threads", "1"])
            .env(CHILD, "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors).expect("a file for errors"))
            .spawn()
            .expect("a child");
        let mut input = child.stdin.take().expect("a pipe");
        let config = serde_json::to_vec(config).expect("a configuration is JSON");
        let output = child.stdout.take().expect("a pipe");
        let told = Arc::<Told>::default();
        let theirs = Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            // A child that is killed early reads no configuration.
            let _ = input.write_all(&config);
            drop(input);
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if let Some(event) = event::parse(&String::from_utf8_lossy(&line)) {
                    theirs
                        .events
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                        .push((Instant::now(), event));
                    theirs.changed.notify_all();
                }
            }
            theirs.events.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            theirs.changed.notify_all();
        });
        Self { child, told, reader: Some(reader), errors }
    }

    /// Waits for such an event, gives when it came; `None` where the child ended without it, or did not tell it in time.
    pub(crate) fn wait_for(&self, timeout: Duration, is_it: impl Fn(&Event) -> bool) -> Option<Instant> {
        let give_up = Instant::now() + timeout;
        let mut state = self.told.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked_at = 0;
        loop {
            let (events, ended) = &*state;
            if let Some((at, _)) = events[looked_at..].iter().find(|(_, event)| is_it(event)) {
                return Some(*at);
            }
            looked_at = events.len();
            let left = give_up.saturating_duration_since(Instant::now());
            if *ended || left.is_zero() {
                return None;
            }
            state = self.told.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Kills it (`SIGKILL`), and gives everything it has told.
    pub(crate) fn kill(mut self) -> Vec<(Instant, Event)> {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.end();

        std::mem::take(&mut self.told.events.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn end(&mut self) -> Option<ExitStatus> {
        let status = self.child.wait().ok();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        status
    }

    /// The end of what it wrote to its standard error.
    pub(crate) fn errors(errors: &PathBuf) -> String {
        let text = std::fs::read_to_string(errors).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.end();
        let _ = &self.errors;
    }
}
