//! The documents, of about 300 B of JSON text, before and after the change.

use serde::{Deserialize, Serialize};

/// What the program of last year writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) account: String,
    pub(crate) name: String,
    /// Will be called `email`.
    pub(crate) mail: String,
    /// Will be a number.
    pub(crate) points: String,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) joined: String,
    pub(crate) active: bool,
    pub(crate) balance: f64,
    pub(crate) note: String,
}

/// What the program of today reads and writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct After {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) points: u64,
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) joined: String,
    pub(crate) active: bool,
    pub(crate) balance: f64,
    pub(crate) note: String,
}

const CITIES: [&str; 6] = ["Lisbon", "Ghent", "Riga", "Kraków", "Aarhus", "Ljubljana"];

/// Neighbours differ.
fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

/// What documents are sorted by: not twice the same, or hardly ever.
pub(crate) fn points(n: u64) -> u64 {
    mixed(n)
}

pub(crate) fn account(n: u64) -> String {
    format!("AC-{n:010}")
}

pub(crate) fn address(n: u64) -> String {
    format!("customer{n}@example.org")
}

impl Before {
    pub(crate) fn make(n: u64) -> Self {
        let hash = mixed(n);
        let city = usize::try_from(hash).map_or(0, |hash| hash % CITIES.len());
        Self {
            account: account(n),
            name: format!("Customer number {n}"),
            mail: address(n),
            points: points(n).to_string(),
            street: format!("Street of the {hash}th of May {}", hash % 200),
            city: CITIES.get(city).copied().unwrap_or_default().to_owned(),
            joined: format!("2025-{:02}-{:02}T10:20:30Z", 1 + hash % 12, 1 + hash % 28),
            active: hash.is_multiple_of(3),
            balance: f64::from(u32::try_from(hash % 100_000).unwrap_or_default()) / 4.0,
            note: format!("has been with us since order {hash}, and may be called before noon"),
        }
    }
}

impl After {
    /// What [`Before::make`] becomes.
    pub(crate) fn make(n: u64) -> Self {
        let Before { account, name, mail, street, city, joined, active, balance, note, .. } = Before::make(n);
        Self { account, name, email: mail, points: points(n), street, city, joined, active, balance, note }
    }
}
