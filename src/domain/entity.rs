//! What facts are kept of: orders, and whatever else a stream is about (a checkout, a return, a task).

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Milestone, Standard, Str};

/// An entity by its name. Two with one name are one.
#[derive(Clone)]
pub struct Entity {
    name: Str,
    completed: Milestone,
    cancelled: Milestone,
}

/// An entity's place among those that a process knows: a number that costs an order nothing to carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EntityId(pub u16);

impl EntityId {
    /// Orders, which are always there.
    pub const ORDER: EntityId = EntityId(0);
}

/// [`Entity::order`] for whoever borrows one.
pub static ORDER: Entity = Entity::order();

impl Entity {
    /// Orders' own name.
    pub const ORDER_NAME: &str = "order";
    /// Deliveries end an order's life too.
    const DELIVERED: Milestone = Milestone::Standard(Standard::OrderFullyDelivered);

    /// Orders.
    pub const fn order() -> Self {
        Entity {
            name: Str::new_static(Entity::ORDER_NAME),
            completed: Milestone::Standard(Standard::OrderCompleted),
            cancelled: Milestone::Standard(Standard::OrderCancelled),
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Self {
        Entity {
            name: Str::new(name),
            completed: Milestone::parse(&format!("{name}.completed")),
            cancelled: Milestone::parse(&format!("{name}.cancelled")),
        }
    }

    /// Its name, as streams and policies spell it.
    pub fn name(&self) -> &Str {
        &self.name
    }

    /// True for orders.
    pub fn is_order(&self) -> bool {
        self.completed == Standard::OrderCompleted
    }

    /// `order.cancelled`, `checkout.cancelled`: nothing more is wanted of it.
    pub fn cancelled(&self) -> &Milestone {
        &self.cancelled
    }

    /// What ends its life: completed or cancelled; an order's also when everything was delivered.
    pub fn ends(&self) -> impl Iterator<Item = &Milestone> {
        let delivered = self.is_order().then_some(const { &Entity::DELIVERED });
        [&self.completed, &self.cancelled].into_iter().chain(delivered)
    }

    /// True for what is reached once and stays so: what is summed over an order, and what ends a life.
    pub fn is_for_good(&self, milestone: &Milestone) -> bool {
        match self.is_order() {
            true => milestone.is_for_good(),
            false => self.ends().any(|end| end == milestone),
        }
    }
}

impl Default for Entity {
    fn default() -> Self {
        Entity::order()
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        // Asked for each policy and event: orders are told apart without a look at their name.
        match (self.is_order(), other.is_order()) {
            (false, false) => self.name == other.name,
            (one, another) => one == another,
        }
    }
}

impl Eq for Entity {}

impl Hash for Entity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_end() {
        let ends = |entity: &Entity| entity.ends().map(Milestone::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(ends(&ORDER), "order.completed order.cancelled order.fully_delivered");
        let checkout = Entity::named("checkout");
        assert_eq!(ends(&checkout), "checkout.completed checkout.cancelled");
        assert!(Entity::named("order").is_order() && Entity::named("order") == ORDER && !checkout.is_order());
        let for_good = |entity: &Entity, name| entity.is_for_good(&Milestone::parse(name));
        assert!(for_good(&checkout, "checkout.cancelled") && !for_good(&checkout, "order.cancelled"));
        assert!(for_good(&ORDER, "order.paid_in_full") && !for_good(&ORDER, "checkout.cancelled"));
    }
}
