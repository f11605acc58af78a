//! A slab whose ids go stale when their slot is used again, so that a late timer finds nothing.

use std::marker::PhantomData;

/// Generation in the upper half, slot in the lower.
pub struct Id<T>(u64, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The id as a bare number, for the timer wheel.
    pub fn raw(self) -> u64 {
        self.0
    }
    /// Back from [`Id::raw`].
    pub fn from_raw(raw: u64) -> Self {
        Id(raw, PhantomData)
    }
}
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> std::fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.0 as u32, self.0 >> 32)
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values addressed by [`Id`].
pub struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Arena<T> {
    /// Put a value in; its id stays valid until [`Arena::remove`].
    pub fn insert(&mut self, value: T) -> Id<T> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        entry.value = Some(value);
        Id(
            u64::from(entry.generation) << 32 | u64::from(slot),
            PhantomData,
        )
    }

    fn slot(&self, id: Id<T>) -> Option<&Slot<T>> {
        self.slots
            .get(id.0 as u32 as usize)
            .filter(|slot| u64::from(slot.generation) == id.0 >> 32)
    }

    /// The value, unless it was removed.
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.slot(id)?.value.as_ref()
    }

    /// The value to change, unless it was removed.
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.0 as u32 as usize)?;
        if u64::from(slot.generation) != id.0 >> 32 {
            return None;
        }
        slot.value.as_mut()
    }

    /// Take the value out; its id is stale from now on.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let slot = self.slots.get_mut(id.0 as u32 as usize)?;
        if u64::from(slot.generation) != id.0 >> 32 {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.0 as u32);
        Some(value)
    }

    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_slot_does_not_answer_to_its_old_id() {
        let mut arena = Arena::default();
        let first = arena.insert("a");
        assert_eq!(arena.remove(first), Some("a"));
        let second = arena.insert("b");
        assert_eq!((arena.get(first), arena.get(second)), (None, Some(&"b")));
        assert_eq!((arena.remove(first), arena.len()), (None, 1));
    }
}
