//! What a replay counted: the figures of `--summary`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, Hash, Hasher};

use foldhash::quality::FixedState;
use hashbrown::HashSet;
use serde::Serialize;

use crate::domain::{Exception, Status, Str};
use crate::engine::ShardCounters;

/// Counts by policy and status, in the order in which a summary prints them.
type ByStatus = BTreeMap<&'static str, u64>;

/// What was read and what was published.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Records that were decoded: repeats and late ones too, dead letters and records without a value not.
    pub events: u64,
    /// Distinct orders, those without an order event too.
    pub orders: u64,
    /// Records that could not become a fact.
    pub dead_letters: u64,
    /// Transitions published, by policy and status.
    pub exceptions: BTreeMap<Str, ByStatus>,
    /// Records without a value.
    #[serde(skip)]
    pub tombstones: u64,
    /// Dead letters by reason.
    #[serde(skip)]
    pub dead_letter_reasons: BTreeMap<&'static str, u64>,
    /// What the shards counted.
    #[serde(skip)]
    pub counters: ShardCounters,
    #[serde(skip)]
    order_ids: HashSet<OrderKey>,
}

/// 128 bits in place of an order's id: 16 bytes an order, and no two of 10^12 orders are likely to be taken for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderKey {
    low: u64,
    high: u64,
}

impl OrderKey {
    /// The key of the order with this id.
    pub fn of(order_id: &str) -> Self {
        let low = FixedState::with_seed(0).hash_one(order_id);
        let high = FixedState::with_seed(u64::MAX).hash_one(order_id);
        OrderKey { low, high }
    }
}

impl Hash for OrderKey {
    /// It is one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

impl Summary {
    /// Counts an event that became a fact (or was one already), with its order where it is about one.
    pub fn event(&mut self, order: Option<OrderKey>) {
        self.events += 1;
        self.orders += order.map_or(0, |order| u64::from(self.order_ids.insert(order)));
    }

    /// Counts an event of an inventory stream.
    pub fn stock_event(&mut self) {
        self.events += 1;
    }

    /// Counts a record that cannot become a fact.
    pub fn dead_letter(&mut self, reason: &'static str) {
        self.dead_letters += 1;
        *self.dead_letter_reasons.entry(reason).or_default() += 1;
    }

    /// Counts a published transition.
    pub fn published(&mut self, exception: &Exception) {
        // Looked up first: an entry's key would be copied for every transition.
        let by_status = match self.exceptions.get_mut(&exception.policy.id) {
            Some(by_status) => by_status,
            None => self.exceptions.entry(exception.policy.id.clone()).or_default(),
        };
        *by_status.entry(exception.status.as_str()).or_default() += 1;
    }

    /// Adds what another part of the same replay counted.
    pub fn add(&mut self, part: Summary) {
        let Summary {
            events,
            orders: _,
            dead_letters,
            exceptions,
            tombstones,
            dead_letter_reasons,
            counters,
            order_ids,
        } = part;
        self.events += events;
        self.dead_letters += dead_letters;
        self.tombstones += tombstones;
        for (reason, count) in dead_letter_reasons {
            *self.dead_letter_reasons.entry(reason).or_default() += count;
        }
        for (policy, by_status) in exceptions {
            let sums = self.exceptions.entry(policy).or_default();
            by_status.into_iter().for_each(|(status, count)| *sums.entry(status).or_default() += count);
        }
        self.counters = self.counters.and(counters);
        // An order may have records in partitions of several numbers, and so be known to several parts.
        if self.order_ids.is_empty() {
            self.order_ids = order_ids;
        } else {
            self.order_ids.extend(order_ids);
        }
        self.orders = self.order_ids.len() as u64;
    }

    /// One line of JSON, as CONTRACT's `--summary json`.
    ///
    /// # Errors
    /// None in practice: it is made of strings and integers.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }

    /// For people: the counts, then a table of policies by status.
    pub fn to_table(&self) -> String {
        let mut text = format!(
            "events {}, orders {}, dead letters {}, without a value {}\n",
            self.events, self.orders, self.dead_letters, self.tombstones
        );
        for (reason, count) in &self.dead_letter_reasons {
            let _ = writeln!(text, "  {count} dead letters: {reason}");
        }
        text.push('\n');
        text.push_str(&self.exceptions_table());
        text
    }

    /// Published transitions: a line for each policy, a column for each status.
    pub fn exceptions_table(&self) -> String {
        let mut text = String::new();
        let width = self.exceptions.keys().map(|id| id.chars().count()).chain(["policy".len()]).max().unwrap_or(0);
        let _ = write!(text, "{:width$}", "policy");
        for status in Status::ALL {
            let _ = write!(text, " {:>9}", status.as_str());
        }
        for (id, counts) in &self.exceptions {
            let _ = write!(text, "\n{id:width$}");
            for status in Status::ALL {
                let _ = write!(text, " {:>9}", Count(counts.get(status.as_str()).copied()));
            }
        }
        text.push('\n');
        text
    }
}

/// A count, or a dot for none: a table of zeros is hard to read.
struct Count(Option<u64>);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(count) => f.pad(&count.to_string()),
            None => f.pad("."),
        }
    }
}
