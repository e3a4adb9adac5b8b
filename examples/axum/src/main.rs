//! A small JSON API over PivotDB: tasks, with revisions as entity tags.
//!
//! ```sh
//! cargo run --manifest-path examples/axum/Cargo.toml -- tasks.pivot 127.0.0.1:8080
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `POST /tasks` | 201 with `Location` and `ETag`; 409 where the id is taken |
//! | `GET /tasks?after=ID&limit=N` | 200, tasks in the order of their ids |
//! | `GET /tasks/ID` | 200 with `ETag`; 304 with `If-None-Match`; 404 |
//! | `PUT /tasks/ID` | 200 with `If-Match`, 201 with `If-None-Match: *`; 412; 428 without either |
//! | `PATCH /tasks/ID` | 200, a JSON Merge Patch (RFC 7396); 404; 412 |
//! | `DELETE /tasks/ID` | 204; 404; 412 |
//!
//! 400 for what is not JSON, 422 for JSON that is no task, 413 for too much of it.
//!
//! Calls of PivotDB block, a durable commit as long as the disk takes: each runs by `spawn_blocking` on a clone of a handle. Requests that come at the
//! same time share syncs.

mod api;
mod etag;
mod failure;
mod task;

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use pivotdb::Store;
use tokio::net::TcpListener;
use tokio::signal;

use crate::task::{Task, Tasks};

/// How long a process that is about to end may keep its successor waiting.
const TAKEOVER: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), address) = (arguments.next(), arguments.next()) else {
        return Err("usage: tasks STORE [ADDRESS]".into());
    };
    let store = Store::builder().register::<Task>().lock_timeout(TAKEOVER).open(path)?;
    let tasks = Tasks::open(&store)?;
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;

    // Takes no more connections once it is told to end, and answers what has come.
    axum::serve(listener, api::router(tasks)).with_graceful_shutdown(told_to_end()).await?;
    tokio::task::spawn_blocking(move || store.close()).await??;
    println!("closed");
    Ok(())
}

async fn told_to_end() {
    #[cfg(unix)]
    {
        let terminate = async {
            match signal::unix::signal(signal::unix::SignalKind::terminate()) {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signal::ctrl_c() => {}
            () = terminate => {}
        }
    }
    #[cfg(not(unix))]
    drop(signal::ctrl_c().await);
}
