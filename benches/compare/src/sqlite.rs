//! SQLite as a document store: what a program does that has no PivotDB.
//!
//! One table of ids and bodies, which are JSONB, written by `jsonb()`; indexes are on expressions, `json_extract(body, '$.path')`. A document is read as
//! JSON text, by `json(body)`, and from that by serde_json. Statements are prepared once.
//!
//! The log is written ahead (`journal_mode = WAL`). What is compared with PivotDB's durable commits has `synchronous = FULL`, so that each
//! commit is on the disk when it returns; what is compared with its buffered ones has `NORMAL`, in which SQLite syncs at checkpoints alone, and promises less than
//! PivotDB does, which syncs every 100 ms. The page cache has PivotDB's size, and holds everything, as there. Before queries `ANALYZE` is run.

use std::path::Path;

use rusqlite::types::Value as Parameter;
use rusqlite::{Connection, Params, Row, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::asked::extract;
use crate::data::CACHE;

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy)]
pub enum Synchronous {
    /// When it returns.
    Full,
    /// After the next checkpoint.
    Normal,
}

/// A database with one table.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

/// The columns that [`Sqlite::documents`] reads.
pub const DOCUMENT: &str = "SELECT id, json(body) FROM documents";

impl Sqlite {
    pub fn open(path: &Path, synchronous: Synchronous) -> Self {
        let connection = Connection::open(path).expect("SQLite opens");
        connection.set_prepared_statement_cache_capacity(64);
        let synchronous = match synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        let pragmas = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -{}; \
             CREATE TABLE IF NOT EXISTS documents (id INTEGER PRIMARY KEY, body BLOB NOT NULL);",
            CACHE >> 10
        );
        connection.execute_batch(&pragmas).expect("SQLite takes settings");
        Self { connection }
    }

    /// The library's release.
    pub fn release() -> &'static str {
        rusqlite::version()
    }

    pub fn execute(&self, statements: &str) {
        self.connection.execute_batch(statements).expect("SQLite executes");
    }

    pub fn create_index(&self, path: &str) {
        let name = path.replace('.', "_");
        self.execute(&format!("CREATE INDEX by_{name} ON documents ({})", extract(path)));
    }

    /// Inserts them in one transaction.
    pub fn insert<'a, T: Serialize + 'a>(&self, documents: impl IntoIterator<Item = (u64, &'a T)>) {
        let transaction = self.connection.unchecked_transaction().expect("a transaction begins");
        {
            let mut statement = transaction
                .prepare_cached("INSERT INTO documents (id, body) VALUES (?1, jsonb(?2))")
                .expect("a statement");
            for (id, document) in documents {
                let text = serde_json::to_string(document).expect("it is JSON");
                let id = i64::try_from(id).expect("it fits");
                statement.execute((id, text)).expect("a document is inserted");
            }
        }
        transaction.commit().expect("a transaction ends");
    }

    /// The documents that a query gives, which begins with [`DOCUMENT`].
    pub fn documents<T: DeserializeOwned>(&self, query: &str, parameters: &[Parameter]) -> Vec<(u64, T)> {
        let mut statement = self.connection.prepare_cached(query).expect("a statement");
        let mut rows = statement.query(params_from_iter(parameters)).expect("a query");
        let mut documents = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            documents.push(document(row));
        }
        documents
    }

    /// The one number that a query gives.
    pub fn number(&self, query: &str, parameters: impl Params) -> u64 {
        let mut statement = self.connection.prepare_cached(query).expect("a statement");
        let number: i64 = statement.query_row(parameters, |row| row.get(0)).expect("a number");
        u64::try_from(number).expect("it counts something")
    }

    /// How SQLite carries a query out.
    pub fn plan(&self, query: &str, parameters: &[Parameter]) -> String {
        let mut statement = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).expect("a query");
        let mut rows = statement.query(params_from_iter(parameters)).expect("a plan");
        let mut plan = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            plan.push(row.get::<_, String>(3).expect("a text"));
        }
        plan.join("; ")
    }
}

fn document<T: DeserializeOwned>(row: &Row<'_>) -> (u64, T) {
    let id: i64 = row.get(0).expect("an id");
    let text = row.get_ref(1).expect("a body").as_str().expect("it is JSON");
    let document = serde_json::from_str(text).expect("it is a document");
    (u64::try_from(id).expect("it is ours"), document)
}

/// A value as a parameter of a statement.
pub fn parameter(value: &Value) -> Parameter {
    match value {
        Value::Null => Parameter::Null,
        Value::Bool(value) => i64::from(*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().expect("a number").into(),
        },
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}
