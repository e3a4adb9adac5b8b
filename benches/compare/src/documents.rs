//! The documents, of about 150 B, 750 B and 5 KB as JSON text.

use pivotdb::Versioned;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A document type of one size.
pub trait Sample: Versioned + Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What the size is called.
    const SIZE: &'static str;

    /// Document number `n`: always the same.
    fn make(n: u64) -> Self;

    /// Changes a number, a text of another length, and where there is a list one element of it.
    fn touch(&mut self);
}

const CITIES: [&str; 8] =
    ["Lisbon", "Ghent", "Riga", "Kraków", "Aarhus", "Saint-Étienne", "Bergen", "Ljubljana"];
const NAMES: [&str; 8] = ["Ada", "Grace", "Alan", "Barbara", "Edsger", "Hedy", "Konrad", "Mary"];
const STATES: [&str; 3] = ["open", "being packed", "sent"];

fn pick(from: &[&'static str], n: u64) -> String {
    let position = usize::try_from(n).map_or(0, |n| n % from.len());
    from[position].to_owned()
}

/// A field more or less hashed, so that neighbours differ.
fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub email: String,
    pub age: u32,
    pub visits: u64,
    pub active: bool,
    pub balance: f64,
    pub city: String,
    pub state: String,
}

impl Versioned for User {
    const KIND: &'static str = "user";
}

impl Sample for User {
    const SIZE: &'static str = "150B";

    fn make(n: u64) -> Self {
        Self {
            name: format!("{} {}", pick(&NAMES, mixed(n)), n),
            email: format!("user{n}@example.org"),
            age: 18 + u32::try_from(mixed(n) % 60).unwrap_or(0),
            visits: mixed(n) % 1000,
            active: n.is_multiple_of(3),
            balance: f64::from(u32::try_from(mixed(n) % 100_000).unwrap_or(0)) / 4.0,
            city: pick(&CITIES, mixed(n) / 8),
            state: pick(&STATES, n),
        }
    }

    fn touch(&mut self) {
        self.visits += 1;
        self.state = pick(&STATES, self.visits);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub sku: String,
    pub title: String,
    pub quantity: u64,
    pub price: f64,
    pub gift: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Address {
    pub street: String,
    pub city: String,
    pub postcode: u32,
    pub country: Option<String>,
}

/// An order of so many items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order<const ITEMS: usize> {
    pub number: u64,
    pub customer: User,
    pub address: Address,
    pub placed: String,
    pub visits: u64,
    pub state: String,
    pub tags: Vec<String>,
    pub items: Vec<Item>,
    pub note: Option<String>,
}

pub type MediumOrder = Order<4>;
pub type LargeOrder = Order<47>;

impl<const ITEMS: usize> Versioned for Order<ITEMS> {
    const KIND: &'static str = "order";
}

impl<const ITEMS: usize> Sample for Order<ITEMS> {
    const SIZE: &'static str = if ITEMS > 10 { "5KB" } else { "750B" };

    fn make(n: u64) -> Self {
        let item = |position: u64| {
            let n = mixed(n.wrapping_mul(64).wrapping_add(position));
            Item {
                sku: format!("SKU-{n:08}"),
                title: format!("{} thing no. {position}", pick(&CITIES, n)),
                quantity: 1 + n % 5,
                price: f64::from(u32::try_from(n % 10_000).unwrap_or(0)) / 8.0,
                gift: n.is_multiple_of(7),
            }
        };
        Self {
            number: 1_000_000 + n,
            customer: User::make(n),
            address: Address {
                street: format!("{} Street {}", pick(&NAMES, mixed(n)), n % 300),
                city: pick(&CITIES, mixed(n) / 8),
                postcode: 10_000 + u32::try_from(mixed(n) % 90_000).unwrap_or(0),
                country: n.is_multiple_of(2).then(|| "PT".to_owned()),
            },
            placed: format!("2025-{:02}-{:02}T10:20:30Z", 1 + n % 12, 1 + n % 28),
            visits: 0,
            state: pick(&STATES, n),
            tags: vec!["beta".to_owned(), format!("week {}", n % 52)],
            items: (0..ITEMS as u64).map(item).collect(),
            note: None,
        }
    }

    fn touch(&mut self) {
        self.visits += 1;
        self.state = pick(&STATES, self.visits);
        if let Some(item) = self.items.get_mut(ITEMS / 2) {
            item.quantity += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_text<T: Sample>() -> usize {
        let sizes = (0..1000).map(|n| serde_json::to_vec(&T::make(n * 50)).unwrap().len());
        sizes.sum::<usize>() / 1000
    }

    #[test]
    fn sizes_are_about_what_they_are_called() {
        let (small, medium, large) =
            (mean_text::<User>(), mean_text::<MediumOrder>(), mean_text::<LargeOrder>());
        println!("{small} {medium} {large}");
        assert!((135..165).contains(&small), "{small}");
        assert!((700..800).contains(&medium), "{medium}");
        assert!((4800..5300).contains(&large), "{large}");
    }

    #[test]
    fn a_touch_changes() {
        let mut order = MediumOrder::make(7);
        let before = order.clone();
        order.touch();
        assert_ne!(order, before);
    }
}
