//! How much memory an import and an export take, and how fast they are.
//!
//! ```sh
//! cargo run --release --example import_memory
//! cargo run --release --example import_memory -- 1000000
//! ```
//!
//! The lines are made while they are read, and compared while they are written out: nothing here holds more than one of them. So
//! what the process takes at its peak is what the store takes, its cache included.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use pivotdb::{Export, Import, Store};

/// Lines of JSON by their numbers, with all types of values.
struct Lines {
    next: u64,
    end: u64,
    line: Vec<u8>,
    given: usize,
}

impl Lines {
    fn new(count: u64) -> Self {
        Self { next: 0, end: count, line: Vec::new(), given: 0 }
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            let rest = self.line.get(self.given..).unwrap_or_default();
            if rest.is_empty() {
                if self.next == self.end {
                    return Ok(filled);
                }
                let n = self.next;
                self.next += 1;
                self.given = 0;
                self.line.clear();
                writeln!(
                    self.line,
                    r#"{{"id":{n},"name":"user number {n}","email":"user{n}@example.org","score":{:?},"active":{},"tags":["t{}","ü"],"address":{{"city":"city {}","zip":null}}}}"#,
                    n as f64 / 8.0,
                    n.is_multiple_of(3),
                    n % 17,
                    n % 1000,
                )?;
                continue;
            }
            let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
                return Ok(filled);
            };
            let taken = rest.len().min(room.len());
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
            }
            self.given += taken;
            filled += taken;
        }
    }
}

/// Takes what is written if it is what the lines are.
struct Same(Lines);

impl Write for Same {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut expected = vec![0; bytes.len()];
        self.0.read_exact(&mut expected)?;
        if expected == bytes {
            Ok(bytes.len())
        } else {
            Err(io::Error::other("the export differs from the import"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let lines: u64 = std::env::args().nth(1).map_or(Ok(100_000), |lines| lines.parse())?;
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path().join("memory.pivot"))?;
    let collection = store.documents("lines")?;
    let before = peak();
    println!("{lines} lines; {} when the store is open", said(before));

    let start = Instant::now();
    let mut told = 0;
    let import = Import::into(&collection).id_field("id").progress(|progress| {
        if progress.documents >= told + 250_000 {
            told = progress.documents;
            println!("  {} documents, {}", progress.documents, said(peak()));
        }
        ControlFlow::Continue(())
    });
    let imported = import.read_from(Lines::new(lines))?;
    let (seconds, megabytes) = (start.elapsed().as_secs_f64(), imported.bytes as f64 / 1e6);
    let rate = |documents: u64| documents as f64 / seconds;
    println!(
        "import: {:.0} documents/s, {:.1} MB/s, peak {}",
        rate(imported.documents),
        megabytes / seconds,
        said(peak())
    );

    let start = Instant::now();
    let mut same = Same(Lines::new(lines));
    let exported = Export::new(&collection).write_to(&mut same)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "export: {:.0} documents/s, {:.1} MB/s, peak {}",
        exported.documents as f64 / seconds,
        exported.bytes as f64 / 1e6 / seconds,
        said(peak())
    );

    if [imported.documents, exported.documents, collection.count()?] != [lines; 3]
        || imported.bytes != exported.bytes
    {
        return Err("documents are missing".into());
    }
    let size = store.stats()?.size_on_disk.unwrap_or_default();
    println!("text {megabytes:.1} MB, on disk {:.1} MB", size as f64 / 1e6);
    store.close()?;
    println!("import_memory: ok, {lines} lines came back byte for byte, peak {}", said(peak()));
    Ok(())
}

/// The most memory that the process has had, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn said(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "memory unknown".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
}
