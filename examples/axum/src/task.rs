//! Tasks, and what is done with them. Nothing here knows of HTTP; everything blocks.

use pivotdb::{Collection, Document, DocumentId, Evolution, Op, Store, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::etag::{Precondition, tag};
use crate::failure::Failure;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub title: String,
    #[serde(default)]
    pub done: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Versioned for Task {
    const KIND: &'static str = "task";

    fn evolution() -> Evolution {
        // Tasks of the first release, which had a name, are read as if they always had a title.
        Evolution::new().step("the name is a title", Op::rename("name", "title"))
    }
}

/// A task to be made, under an id of the client's or a new one.
#[derive(Debug, Deserialize)]
pub struct NewTask {
    pub id: Option<String>,
    #[serde(flatten)]
    pub task: Task,
}

/// The collection of tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    store: Store,
    tasks: Collection<Task>,
}

impl Tasks {
    pub fn open(store: &Store) -> pivotdb::Result<Self> {
        // Durable reads: what a client has been shown, its entity tag included, no crash takes back.
        Ok(Self { store: store.clone(), tasks: store.collection::<Task>("tasks")?.durable_reads() })
    }

    pub fn insert(&self, new: NewTask) -> Result<Document<Task>, Failure> {
        let id = new.id.unwrap_or_else(|| DocumentId::random().to_string());
        self.store.try_transaction(|tx| {
            let tasks = tx.on(&self.tasks);
            tasks.insert_with_id(&id, &new.task)?;
            Ok(tasks.require(&id)?)
        })
    }

    pub fn page(&self, after: Option<String>, limit: usize) -> Result<Vec<Document<Task>>, Failure> {
        let after = after.map(DocumentId::from);
        let from = after.as_ref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let page = self.tasks.range::<&DocumentId>((from, std::ops::Bound::Unbounded)).take(limit);
        Ok(page.collect::<pivotdb::Result<_>>()?)
    }

    pub fn get(&self, id: &str) -> Result<Document<Task>, Failure> {
        Ok(self.tasks.require(id)?)
    }

    /// Replaces a task, or makes one, as the precondition says; and whether it was made.
    pub fn put(
        &self,
        id: &str,
        task: &Task,
        precondition: &Precondition,
    ) -> Result<(bool, Document<Task>), Failure> {
        self.store.try_transaction(|tx| {
            let tasks = tx.on(&self.tasks);
            let existing = tasks.get(id)?;
            if !precondition.holds(existing.as_ref().map(tag).as_deref()) {
                return Err(Failure::PreconditionFailed);
            }
            tasks.put(id, task)?;
            Ok((existing.is_none(), tasks.require(id)?))
        })
    }

    pub fn patch(
        &self,
        id: &str,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<Document<Task>, Failure> {
        self.store.try_transaction(|tx| {
            let tasks = tx.on(&self.tasks);
            precondition.check(&tag(&tasks.require(id)?))?;
            Ok(tasks.merge_patch(id, patch)?)
        })
    }

    pub fn delete(&self, id: &str, precondition: &Precondition) -> Result<(), Failure> {
        self.store.try_transaction(|tx| {
            let tasks = tx.on(&self.tasks);
            precondition.check(&tag(&tasks.require(id)?))?;
            tasks.delete(id)?;
            Ok(())
        })
    }
}
