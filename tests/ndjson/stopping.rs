//! Progress, cancellation, and streams that fail.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use pivotdb::{ErrorKind, Export, Import, Store};

use crate::support::place;

fn lines(count: u64) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

#[test]
fn an_import_can_be_watched_and_stopped() {
    let store = Store::memory().unwrap();
    let collection = store.documents("watched").unwrap();
    let input = lines(1000);
    let mut told = Vec::new();
    let watched = Import::into(&collection).progress(|progress| {
        told.push((progress.documents, progress.bytes));
        ControlFlow::Continue(())
    });
    watched.read_from(input.as_bytes()).unwrap();
    assert_eq!(told.iter().map(|(documents, _)| *documents).collect::<Vec<_>>(), [256, 512, 768]);
    assert!(
        told.is_sorted()
            && told.iter().all(|(documents, bytes)| {
                input.as_bytes()[..*bytes as usize].iter().filter(|byte| **byte == b'\n').count() as u64
                    == *documents
            })
    );

    let stopped = store.documents("stopped").unwrap();
    let import = Import::into(&stopped).progress(|progress| {
        if progress.documents >= 512 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let error = import.read_from(input.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.context().detail("imported"), Some("512"));
    assert_eq!(stopped.count().unwrap(), 512);
}

#[test]
fn an_export_can_be_watched_and_stopped() {
    let store = Store::memory().unwrap();
    let collection = store.documents("watched").unwrap();
    Import::into(&collection).read_from(lines(1000).as_bytes()).unwrap();
    for full in [false, true] {
        let export = || if full { Export::store(&store) } else { Export::new(&collection) };
        let mut told = Vec::new();
        let watched = export().progress(|progress| {
            told.push(progress.documents);
            ControlFlow::Continue(())
        });
        watched.write_to(io::sink()).unwrap();
        assert_eq!(told, [256, 512, 768]);
        let mut written = Vec::new();
        let error = export().progress(|_| ControlFlow::Break(())).write_to(&mut written).unwrap_err();
        assert_eq!((error.kind(), error.context().detail("documents")), (ErrorKind::Cancelled, Some("256")));
    }
}

/// Fails after so many bytes.
struct Failing<'a>(&'a [u8], io::ErrorKind);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(self.1.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Failing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0.len());
        self.0 = &self.0[taken..];
        if taken == 0 { Err(self.1.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn streams_that_fail_end_it_with_their_error() {
    let store = Store::memory().unwrap();
    let collection = store.documents("failing").unwrap();
    let input = lines(1000);
    let half = &input.as_bytes()[..input.find("{\"n\":700}").unwrap() + 3];
    let error = Import::into(&collection).read_from(Failing(half, io::ErrorKind::TimedOut)).unwrap_err();
    assert_eq!(place(&error), (ErrorKind::Io, 701, 1));
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
    assert_eq!(collection.count().unwrap(), 700, "what precedes the line that could not be read is there");
    let one = Import::into(&collection).one_document().read_from(Failing(b"{", io::ErrorKind::TimedOut));
    assert_eq!(place(&one.unwrap_err()), (ErrorKind::Io, 1, 1));

    for (cause, kind) in
        [(io::ErrorKind::StorageFull, ErrorKind::OutOfSpace), (io::ErrorKind::BrokenPipe, ErrorKind::Io)]
    {
        for room in [0, 10, 5000] {
            let error = Export::store(&store).write_to(Failing(&[0; 5000][..room], cause)).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), cause);
        }
    }
}

/// What is written meanwhile is not in the export.
#[test]
fn an_export_is_of_one_state() {
    let store = Store::memory().unwrap();
    let collection = store.documents("busy").unwrap();
    Import::into(&collection).id_field("n").read_from(lines(2000).as_bytes()).unwrap();
    let mut text = Vec::new();
    let report = Export::new(&collection)
        .progress(|progress| {
            collection.delete(1999 - progress.documents).unwrap();
            collection.insert(&serde_json::json!({"late": true})).unwrap();
            collection.update(1500, |value| value["late"] = true.into()).unwrap();
            ControlFlow::Continue(())
        })
        .write_to(&mut text)
        .unwrap();
    assert_eq!(report.documents, 2000);
    assert_eq!(String::from_utf8(text).unwrap(), lines(2000));
}
