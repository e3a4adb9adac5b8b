//! Document types that are asked for by what is in them.

use pivotdb::{Filter, Versioned, field};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::documents::{MediumOrder, Sample, User};
use crate::features::{Feature, features};

/// A document type, three paths that are indexed on both sides, and one that is not.
pub trait Asked: Versioned + Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug {
    /// What the size is called.
    const SIZE: &'static str;
    /// Another value in each document.
    const NAME: &'static str;
    /// What documents are sorted by.
    const ORDER: &'static str;
    /// A value that many documents have in common.
    const GROUP: &'static str;
    /// What is looked for without an index.
    const RARE: Rare;

    /// So many documents; `None` where they are not to be had.
    fn documents(number: u64) -> Option<Vec<Self>>;

    fn name(&self) -> Value;

    fn order(&self) -> Value;

    fn group(&self) -> Value;

    /// The paths that have an index.
    fn indexed() -> [&'static str; 3] {
        [Self::NAME, Self::ORDER, Self::GROUP]
    }
}

/// A condition that few documents meet.
#[derive(Debug, Clone, Copy)]
pub enum Rare {
    Below(&'static str, i64),
    True(&'static str),
}

impl Rare {
    pub fn filter(self) -> Filter {
        match self {
            Self::Below(path, bound) => field(path).lt(bound),
            Self::True(path) => field(path).eq(true),
        }
    }

    /// The same in SQLite's words.
    pub fn sql(self) -> String {
        match self {
            Self::Below(path, bound) => format!("{} < {bound}", extract(path)),
            Self::True(path) => format!("{} = 1", extract(path)),
        }
    }
}

/// What is at a path, in SQLite's words.
pub fn extract(path: &str) -> String {
    format!("json_extract(body, '$.{path}')")
}

fn made<T: Sample>(number: u64) -> Option<Vec<T>> {
    Some((0..number).map(T::make).collect())
}

impl Asked for User {
    const SIZE: &'static str = <Self as Sample>::SIZE;
    const NAME: &'static str = "email";
    const ORDER: &'static str = "balance";
    const GROUP: &'static str = "city";
    const RARE: Rare = Rare::Below("visits", 10);

    fn documents(number: u64) -> Option<Vec<Self>> {
        made(number)
    }

    fn name(&self) -> Value {
        self.email.as_str().into()
    }

    fn order(&self) -> Value {
        self.balance.into()
    }

    fn group(&self) -> Value {
        self.city.as_str().into()
    }
}

impl Asked for MediumOrder {
    const SIZE: &'static str = <Self as Sample>::SIZE;
    const NAME: &'static str = "number";
    const ORDER: &'static str = "customer.balance";
    const GROUP: &'static str = "address.city";
    const RARE: Rare = Rare::Below("customer.visits", 10);

    fn documents(number: u64) -> Option<Vec<Self>> {
        made(number)
    }

    fn name(&self) -> Value {
        self.number.into()
    }

    fn order(&self) -> Value {
        self.customer.balance.into()
    }

    fn group(&self) -> Value {
        self.address.city.as_str().into()
    }
}

impl Asked for Feature {
    const SIZE: &'static str = "mdn";
    const NAME: &'static str = "path";
    const ORDER: &'static str = "number";
    const GROUP: &'static str = "source_file";
    const RARE: Rare = Rare::True("status.deprecated");

    fn documents(_: u64) -> Option<Vec<Self>> {
        features()
    }

    fn name(&self) -> Value {
        self.path.as_str().into()
    }

    fn order(&self) -> Value {
        self.number.into()
    }

    fn group(&self) -> Value {
        self.source_file.as_str().into()
    }
}
