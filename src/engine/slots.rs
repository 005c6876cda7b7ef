//! Where a shard's orders lie. An order at rest is its packed facts and a few numbers; what only few orders have lies beside.
//! One that is judged is unpacked, and rests again when a hundred are ([`Slots::rest_some`]); events join it where it lies.

mod copied;
mod packed;
mod resting;

use std::ops::Deref;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::domain::{EntityId, Str};

use super::chunks::Chunks;
use super::facts::{Codebook, Facts, Handle, Head, Spare, Store};
use super::order::{Order, Published};

use resting::{Dirty, Rare, Resting};

/// So many orders may lie unpacked: few enough that a core's cache holds them. Tests have few orders, which are to come to rest too.
const MOST_AWAKE: usize = if cfg!(test) { 2 } else { 1 << 7 };
/// So many unpacked orders' memory is kept for the next.
const MOST_SPARE: usize = MOST_AWAKE;

/// What a slot holds.
#[derive(Debug)]
enum Slot {
    /// Nothing; it will be used again.
    Free,
    /// An order whose facts are known.
    Resting(Resting),
    /// The same, unpacked: its place in [`Slots::awake`].
    Awake(u32),
}

// Ten million of them are 120 MB.
const _: () = assert!(size_of::<Slot>() == 12);

/// Where a slot's order lies, for [`Slots::glance`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Lies {
    Packed(Handle),
    Awake(u32),
    Nowhere,
}

/// An order that is only looked at.
#[derive(Debug)]
pub(super) enum Seen<'a> {
    Awake(&'a Order),
    Unpacked(Box<Order>),
}

impl Deref for Seen<'_> {
    type Target = Order;

    fn deref(&self) -> &Order {
        match self {
            Seen::Awake(order) => order,
            Seen::Unpacked(order) => order,
        }
    }
}

/// A shard's slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Chunks<Slot>,
    free: Vec<u32>,
    codebook: Codebook,
    store: Store,
    rare: HashMap<u32, Box<Rare>, RandomState>,
    /// With their slots; an order that has left memory has left a gap.
    awake: Vec<(u32, Option<Box<Order>>)>,
    #[expect(clippy::vec_box, reason = "a slot takes the box as it is")]
    orders: Vec<Box<Order>>,
    spare: Spare,
}

impl Slots {
    /// Slots are numbered from 0 to this.
    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// An order, to be changed.
    pub fn order_mut(&mut self, slot: u32) -> Option<&mut Order> {
        if let Some(Slot::Resting(_)) = self.slots.get(slot) {
            self.wake(slot);
        }
        match self.slots.get(slot)? {
            Slot::Awake(at) => awake_mut(&mut self.awake, *at),
            _ => None,
        }
    }

    fn awake(&self, at: u32) -> Option<&Order> {
        self.awake.get(at as usize)?.1.as_deref()
    }

    /// An order, to be looked at.
    pub fn order(&self, slot: u32) -> Option<Seen<'_>> {
        match self.slots.get(slot)? {
            Slot::Awake(at) => self.awake(*at).map(Seen::Awake),
            Slot::Resting(resting) => {
                let mut order = Box::<Order>::default();
                resting.fill(self.facts(resting.facts), &self.codebook, &mut order, &mut Spare::default());
                if let Some(rare) = self.rare.get(&slot) {
                    order.take_rare(Rare::clone(rare));
                }
                Some(Seen::Unpacked(order))
            }
            _ => None,
        }
    }

    /// Where a slot's order lies.
    pub fn lies(&self, slot: u32) -> Lies {
        match self.slots.get(slot) {
            Some(Slot::Resting(Resting { facts, .. })) => Lies::Packed(*facts),
            Some(Slot::Awake(at)) => Lies::Awake(*at),
            _ => Lies::Nowhere,
        }
    }

    /// Looks at an order where it lies.
    pub fn glance(&self, lies: Lies) -> u8 {
        match lies {
            Lies::Packed(facts) => self.store.glance(facts),
            Lies::Awake(at) => {
                self.awake(at).and_then(|order| order.events.last()).map_or(0, |last| last.order_id.len() as u8)
            }
            Lies::Nowhere => 0,
        }
    }

    fn facts(&self, handle: Handle) -> Facts<'_> {
        Facts(self.store.get(handle))
    }

    /// What was published of an order.
    pub fn published(&self, slot: u32) -> &[Published] {
        match self.slots.get(slot) {
            Some(Slot::Awake(at)) => self.awake(*at).map_or(&[], |order| order.published.as_slice()),
            Some(Slot::Resting(resting)) if resting.has_rare() => {
                self.rare.get(&slot).map_or(&[], |rare| rare.published.as_slice())
            }
            _ => &[],
        }
    }

    /// What was published of all orders, in no order.
    pub fn all_published(&self) -> impl Iterator<Item = &Published> {
        let awake = self.awake.iter().filter_map(|(_, order)| order.as_ref()).flat_map(|order| &order.published);
        self.rare.values().flat_map(|rare| &rare.published).chain(awake)
    }

    /// Whether an order waits to be judged.
    pub fn is_dirty(&self, slot: u32) -> bool {
        match self.slots.get(slot) {
            Some(Slot::Resting(resting)) => resting.dirty != Dirty::No,
            Some(Slot::Awake(at)) => self.awake(*at).is_some_and(|order| order.dirty),
            _ => false,
        }
    }

    /// Marks an order to be judged; true where it was not marked.
    pub fn mark_dirty(&mut self, slot: u32) -> bool {
        match self.slots.get_mut(slot) {
            Some(Slot::Resting(resting)) => std::mem::replace(&mut resting.dirty, Dirty::Yes) == Dirty::No,
            Some(Slot::Awake(at)) => {
                let order = awake_mut(&mut self.awake, *at);
                order.is_some_and(|order| !std::mem::replace(&mut order.dirty, true))
            }
            _ => false,
        }
    }

    /// Whether the slot's order has this id.
    pub fn has_id(&self, slot: u32, id: &str) -> bool {
        match self.slots.get(slot) {
            Some(Slot::Free) | None => false,
            Some(_) => self.id_bytes(slot) == id.as_bytes(),
        }
    }

    /// The slot's id in bytes; nothing where it is free.
    pub fn id_bytes(&self, slot: u32) -> &[u8] {
        match self.slots.get(slot) {
            Some(Slot::Resting(resting)) => self.facts(resting.facts).id(),
            Some(Slot::Awake(at)) => self.awake(*at).map_or(&[], |order| order.id.as_bytes()),
            _ => &[],
        }
    }

    /// A new order, in a free slot.
    pub fn add_order(&mut self, id: &Str, entity: EntityId, birth: u32) -> u32 {
        let mut order = self.orders.pop().unwrap_or_default();
        (order.id, order.entity, order.birth) = (id.clone(), entity, birth);
        let slot = self.vacant();
        self.lie_awake(slot, order);
        slot
    }

    fn vacant(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() as u32 - 1
        })
    }

    fn lie_awake(&mut self, slot: u32, order: Box<Order>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Slot::Awake(self.awake.len() as u32);
            self.awake.push((slot, Some(order)));
        }
    }

    /// Puts an order of which nothing was judged into a vacant slot, which stays vacant where there was no room for its facts.
    fn lie_resting(&mut self, slot: u32, facts: Option<Handle>, birth: u32, dirty: Dirty) -> Option<u32> {
        let (Some(facts), Some(place)) = (facts, self.slots.get_mut(slot)) else {
            self.free.push(slot);
            return None;
        };
        *place = Slot::Resting(Resting { facts, birth, ended: 0, marks: 0, dirty });
        Some(slot)
    }

    /// Frees a slot.
    pub fn take(&mut self, slot: u32) -> Option<Box<Order>> {
        if let Some(Slot::Resting(_)) = self.slots.get(slot) {
            self.wake(slot);
        }
        let Slot::Awake(at) = std::mem::replace(self.slots.get_mut(slot)?, Slot::Free) else { return None };
        let order = self.awake.get_mut(at as usize)?.1.take()?;
        if let Some((packed, _)) = order.packed {
            self.store.free(packed);
        }
        self.free.push(slot);
        self.tidy();
        Some(order)
    }

    fn wake(&mut self, slot: u32) {
        let Some(Slot::Resting(resting)) = self.slots.get(slot) else { return };
        let mut order = self.orders.pop().unwrap_or_default();
        resting.fill(Facts(self.store.get(resting.facts)), &self.codebook, &mut order, &mut self.spare);
        order.packed = Some((resting.facts, order.events.len()));
        if resting.has_rare()
            && let Some(rare) = self.rare.remove(&slot)
        {
            order.take_rare(*rare);
        }
        self.lie_awake(slot, order);
    }

    /// Puts all orders to rest, when those that are judged have become many.
    pub fn rest_some(&mut self) {
        if self.awake.len() >= MOST_AWAKE {
            self.rest_all();
        }
    }

    fn rest_all(&mut self) {
        let mut homeless = Vec::new();
        for at in 0..self.awake.len() {
            let Some((slot, Some(order))) = self.awake.get_mut(at).map(|(slot, order)| (*slot, order.take())) else {
                continue;
            };
            homeless.extend(self.rest(slot, order).err().map(|order| (slot, order)));
        }
        self.awake.clear();
        if self.awake.capacity() > 4 * MOST_AWAKE {
            self.awake = Vec::new();
        }
        homeless.into_iter().for_each(|(slot, order)| self.lie_awake(slot, order));
    }

    /// Puts an order to rest, where there is room for it.
    fn rest(&mut self, slot: u32, mut order: Box<Order>) -> Result<(), Box<Order>> {
        let head = Head { id: &order.id, entity: order.entity, closed_at: order.closed_at };
        let known = order.packed.filter(|(_, events)| *events > 0);
        let known = known.map(|(handle, events)| (Facts(self.store.get(handle)), events));
        let facts = match (self.codebook.pack(head, &order.events, known), order.packed) {
            (None, Some((handle, _))) => handle,
            (packed, before) => {
                let Some(handle) = packed.and_then(|packed| self.store.put(slot, packed.0)) else { return Err(order) };
                if let Some((before, _)) = before {
                    self.store.free(before);
                }
                handle
            }
        };
        let ended = order.take_plain_ended();
        let rare = order.rare();
        if let Some(place) = self.slots.get_mut(slot) {
            let (birth, marks) = (order.birth, Resting::marks(order.inert, rare.is_some()));
            let dirty = if order.dirty { Dirty::Yes } else { Dirty::No };
            *place = Slot::Resting(Resting { facts, birth, ended, marks, dirty });
        }
        if let Some(rare) = rare {
            self.rare.insert(slot, Box::new(rare));
        }
        self.reuse(order);
        self.tidy();
        Ok(())
    }

    /// Moves what is left of a segment of which too much is void.
    fn tidy(&mut self) {
        let Some(emptied) = self.store.wasteful() else { return };
        for (slot, old, facts) in emptied.records() {
            let handle = match self.slots.get_mut(slot) {
                Some(Slot::Resting(resting)) => Some(&mut resting.facts),
                Some(Slot::Awake(at)) => {
                    let order = awake_mut(&mut self.awake, *at);
                    order.and_then(|order| order.packed.as_mut()).map(|(handle, _)| handle)
                }
                _ => None,
            };
            if let Some(handle) = handle.filter(|handle| **handle == old) {
                // There is room: a segment was just emptied.
                *handle = self.store.put(slot, facts).unwrap_or(old);
            }
        }
    }

    /// Takes an order's memory for the next.
    pub fn reuse(&mut self, mut order: Box<Order>) {
        if self.orders.len() >= MOST_SPARE {
            return;
        }
        self.spare.take(&mut order.events);
        order.clear();
        self.orders.push(order);
    }
}

fn awake_mut(awake: &mut [(u32, Option<Box<Order>>)], at: u32) -> Option<&mut Order> {
    awake.get_mut(at as usize)?.1.as_deref_mut()
}
