//! What a child tells its parent, one line each. What has been written into the pipe outlives the child.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pivotdb::DocumentId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backends::Tested;
use crate::tested::by_name;
use crate::work::{Mix, Model, Op, Slot, id};

/// What a child is told on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) role: Role,
    pub(crate) seed: u64,
    pub(crate) directory: PathBuf,
    #[serde(with = "by_name")]
    pub(crate) backend: Tested,
    /// What each thread has written before; so many threads there are.
    pub(crate) threads: Vec<Written>,
    /// The number of the next operation: none is used twice.
    pub(crate) next: u64,
    pub(crate) mix: Mix,
    /// How many of a hundred operations wait for the medium.
    pub(crate) immediate: u64,
    /// How many operations each thread makes before the store is closed and opened again.
    pub(crate) session: u64,
    pub(crate) sync_deadline: Duration,
    /// The version of the program of an indexer.
    #[serde(default)]
    pub(crate) program: u64,
}

/// What one thread has written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) model: Model,
    /// The ids the store has chosen.
    pub(crate) ids: BTreeMap<Slot, Uuid>,
}

impl Written {
    /// The id of the document in `slot`: the one it has, or would get.
    pub(crate) fn id(&self, thread: u32, slot: Slot) -> DocumentId {
        let random = self.model.docs.get(&slot).is_some_and(|doc| doc.random_id);
        match self.ids.get(&slot).filter(|_| random) {
            Some(id) => DocumentId::from(*id),
            None => id(thread, slot),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Writer,
    /// The control of `kill`: says that a commit is durable before it is made.
    Liar,
    /// The control of `powercut` on sled: sled alone, with its own `flush`.
    BareSled,
    /// The control of `powercut` on other backends: says of buffered commits that they are durable.
    Hasty,
    /// Writes until the disk is full, and then tries what still works.
    Filler,
    /// Opens the store and closes it.
    Opener,
    /// Writes to documents with indexes, and builds indexes.
    Indexer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
    Opening {
        options: String,
    },
    Opened {
        sequence: u64,
        window: Duration,
    },
    Intent {
        thread: usize,
        number: u64,
        at: Duration,
        /// The last sequence there was before.
        sequence: u64,
        op: Op,
    },
    /// So many documents of a bulk load are committed, though perhaps not yet on the medium.
    Progress {
        thread: usize,
        number: u64,
        documents: u64,
    },
    Acknowledged {
        thread: usize,
        number: u64,
        at: Duration,
        /// A sequence that is at least that of the commit.
        sequence: u64,
        durable: bool,
    },
    Failed {
        what: String,
        kind: String,
        text: String,
    },
    Closing,
    Closed,
    Panicked {
        place: String,
        text: String,
    },
    /// What a filler has read on a full disk: so many documents as they were written, and so many not at all.
    Read {
        right: u64,
        refused: u64,
    },
    /// What a filler has found out on a full disk: each call that was tried, and how it ended.
    Tried {
        what: String,
        kind: Option<String>,
        took: Duration,
    },
    Done,
}

/// Begins every line, since the test runner writes to the same pipe.
const MARK: &str = "@event ";

#[derive(Debug)]
pub(crate) struct Log {
    pipe: File,
    began: Instant,
}

impl Log {
    /// To the standard output.
    pub(crate) fn new() -> Self {
        let pipe = std::io::stdout().as_fd().try_clone_to_owned().expect("a standard output");
        Self { pipe: File::from(pipe), began: Instant::now() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// One write of less than a pipe takes at once, so that the order of lines is that of events on all threads.
    pub(crate) fn tell(&self, event: &Event) {
        let line = format!("\n{MARK}{}\n", serde_json::to_string(event).expect("an event is JSON"));
        assert!(line.len() < 4096, "{line}");
        if (&self.pipe).write_all(line.as_bytes()).is_err() {
            // The parent is gone.
            std::process::exit(2);
        }
    }
}

pub(crate) fn parse(line: &str) -> Option<Event> {
    // The last line may have been cut by the kill.
    serde_json::from_str(line.strip_prefix(MARK)?).ok()
}
