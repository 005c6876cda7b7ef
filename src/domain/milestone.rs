//! Milestones: the named points in an order's life. An event's type is the milestone it reaches.

use std::fmt;

use super::Str;

macro_rules! standard {
    ($( $(#[$meta:meta])* $name:ident = $text:literal ),* $(,)?) => {
        /// The milestones orderwatch gives a meaning to.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Standard { $( $(#[$meta])* #[doc = concat!("`", $text, "`")] $name ),* }

        impl Standard {
            /// Every one of them, in declaration order.
            pub const ALL: &'static [Standard] = &[ $( Standard::$name ),* ];

            /// The name as events, policies and exceptions spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Standard::$name => $text ),* }
            }

            fn parse(text: &str) -> Option<Self> {
                match text { $( $text => Some(Standard::$name), )* _ => None }
            }
        }
    };
}

standard! {
    OrderPlaced = "order.placed",
    OrderConfirmed = "order.confirmed",
    OrderHeld = "order.held",
    OrderReleased = "order.released",
    OrderChanged = "order.changed",
    OrderCancelled = "order.cancelled",
    OrderCompleted = "order.completed",
    PaymentAuthorized = "payment.authorized",
    PaymentCaptured = "payment.captured",
    PaymentFailed = "payment.failed",
    PaymentVoided = "payment.voided",
    PaymentRefunded = "payment.refunded",
    PaymentDisputed = "payment.disputed",
    PaymentSettled = "payment.settled",
    FulfillmentAllocated = "fulfillment.allocated",
    FulfillmentPicked = "fulfillment.picked",
    FulfillmentPacked = "fulfillment.packed",
    FulfillmentShipped = "fulfillment.shipped",
    FulfillmentDelivered = "fulfillment.delivered",
    FulfillmentDeliveryFailed = "fulfillment.delivery_failed",
    FulfillmentReturned = "fulfillment.returned",
    FulfillmentBackordered = "fulfillment.backordered",
    /// Derived: captured reaches the total then in force.
    OrderPaidInFull = "order.paid_in_full",
    /// Derived: shipped quantities reach the lines then in force.
    OrderFullyShipped = "order.fully_shipped",
    /// Derived: delivered quantities reach the lines then in force.
    OrderFullyDelivered = "order.fully_delivered",
}

impl Standard {
    /// True for `payment.*`.
    pub const fn is_payment(self) -> bool {
        use Standard::*;
        matches!(
            self,
            PaymentAuthorized
                | PaymentCaptured
                | PaymentFailed
                | PaymentVoided
                | PaymentRefunded
                | PaymentDisputed
                | PaymentSettled
        )
    }

    /// True for `fulfillment.*`.
    pub const fn is_fulfillment(self) -> bool {
        use Standard::*;
        matches!(
            self,
            FulfillmentAllocated
                | FulfillmentPicked
                | FulfillmentPacked
                | FulfillmentShipped
                | FulfillmentDelivered
                | FulfillmentDeliveryFailed
                | FulfillmentReturned
                | FulfillmentBackordered
        )
    }

    /// True for `order.*`.
    pub const fn is_order(self) -> bool {
        !self.is_payment() && !self.is_fulfillment()
    }

    /// True for what is computed from other events and can be on no event itself.
    pub const fn is_derived(self) -> bool {
        matches!(self, Standard::OrderPaidInFull | Standard::OrderFullyShipped | Standard::OrderFullyDelivered)
    }
}

/// A named point in an order's life: a standard one, or any other name a shop uses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Milestone {
    /// One that orderwatch knows the meaning of.
    Standard(Standard),
    /// One that only policies give a meaning to, such as `handoff.requested`.
    Custom(Str),
}

impl Milestone {
    /// Reads a name. Every string is a milestone; those of DESIGN's list are [`Milestone::Standard`].
    pub fn parse(text: &str) -> Self {
        Standard::parse(text).map_or_else(|| Milestone::Custom(Str::new(text)), Milestone::Standard)
    }

    /// The name as events and policies spell it.
    pub fn as_str(&self) -> &str {
        match self {
            Milestone::Standard(s) => s.as_str(),
            Milestone::Custom(s) => s,
        }
    }

    /// True for `order.*`.
    pub fn is_order(&self) -> bool {
        match self {
            Milestone::Standard(s) => s.is_order(),
            Milestone::Custom(s) => s.starts_with("order."),
        }
    }

    /// True for `payment.*`.
    pub fn is_payment(&self) -> bool {
        match self {
            Milestone::Standard(s) => s.is_payment(),
            Milestone::Custom(s) => s.starts_with("payment."),
        }
    }

    /// True for `fulfillment.*`.
    pub fn is_fulfillment(&self) -> bool {
        match self {
            Milestone::Standard(s) => s.is_fulfillment(),
            Milestone::Custom(s) => s.starts_with("fulfillment."),
        }
    }

    /// True for what is reached once and stays so: the sums, and what ends an order's life.
    pub const fn is_for_good(&self) -> bool {
        self.is_derived() || matches!(self, Milestone::Standard(Standard::OrderCompleted | Standard::OrderCancelled))
    }

    /// True for a milestone that no event may claim (`order.paid_in_full` and its like).
    pub const fn is_derived(&self) -> bool {
        matches!(self, Milestone::Standard(s) if s.is_derived())
    }
}

impl From<Standard> for Milestone {
    fn from(s: Standard) -> Self {
        Milestone::Standard(s)
    }
}

impl PartialEq<Standard> for Milestone {
    fn eq(&self, other: &Standard) -> bool {
        matches!(self, Milestone::Standard(s) if s == other)
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_name_reads_back() {
        for s in Standard::ALL {
            assert_eq!(Milestone::parse(s.as_str()), *s);
        }
        assert_eq!(Milestone::parse("handoff.requested").as_str(), "handoff.requested");
    }

    #[test]
    fn a_family_is_what_its_name_begins_with() {
        let custom = ["order.gift_wrapped", "payment.held", "fulfillment.weighed", "orders", "handoff.requested"];
        let names = Standard::ALL.iter().map(|s| s.as_str()).chain(custom);
        for name in names {
            let milestone = Milestone::parse(name);
            let families = [milestone.is_order(), milestone.is_payment(), milestone.is_fulfillment()];
            assert_eq!(
                families,
                ["order.", "payment.", "fulfillment."].map(|family| name.starts_with(family)),
                "{name}"
            );
        }
    }
}
