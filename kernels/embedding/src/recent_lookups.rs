//! The rows of recent lookups, for the updates of the same ids that follow. A trainer looks up the
//! distinct ids of a batch and, a step later, sends a gradient for each of them in the same order,
//! so the update need not search the index again.
//!
//! # The plain algorithm
//!
//! ```text
//! lookup(ids):  candidates = search(ids); remember (ids, candidates), forget the oldest lookup
//! update(ids):  candidates = those of a remembered lookup of these ids, else search(ids)
//! ```
//!
//! Updates without it take two fifths longer at 2 M ids. Results do not depend on it: as after a
//! search, the caller compares each id with its row's key, and ids that had no row are searched.
//!
//! A lookup is recognised by its length, its first and its last id; a wrong guess costs a search
//! for each id. Rows do not move, and after a removal all lookups are forgotten, so an address
//! kept here is always that of a row.

use crate::row_starts::no_row;

/// Lookups remembered: as many batches as a trainer has in flight.
const LOOKUPS: usize = 4;
/// Longest lookup that is remembered. A batch of 4,096 examples has some 50,000 distinct ids.
const IDS_MAX: usize = 1 << 17;
/// The rows of lookups take at most the table's limit divided by this, and 4 MiB. As buffers do,
/// they come on top of the limit: else the rows that fit below it would depend on earlier lookups.
const SHARE: usize = 64;

/// The row that a lookup found: the address of its first byte, or `no_row()`, and its handle.
pub type Found = (*const u8, u32);

/// One lookup.
#[derive(Default)]
struct Lookup {
    first: u64,
    last: u64,
    /// Empty = nothing is remembered here.
    found: Vec<Found>,
}

/// The last lookups, the oldest of which the next one replaces.
pub struct RecentLookups {
    lookups: [Lookup; LOOKUPS],
    newest: usize,
    /// Removals of rows when they were looked up.
    removals: u64,
}

impl RecentLookups {
    /// Nothing remembered.
    pub fn new() -> RecentLookups {
        RecentLookups { lookups: Default::default(), newest: 0, removals: 0 }
    }

    /// Begins to remember a lookup in place of the oldest, whose rows `add` then adds in the order
    /// of its ids. False if it is too long for a table with this limit, or memory is short.
    pub fn begin(&mut self, ids: &[u64], removals: u64, bytes_max: usize) -> bool {
        let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else { return false };
        if self.removals != removals {
            self.lookups.iter_mut().for_each(|lookup| lookup.found.clear());
            self.removals = removals;
        }
        self.newest = (self.newest + 1) % LOOKUPS;
        let lookup = &mut self.lookups[self.newest];
        lookup.found.clear();
        (lookup.first, lookup.last) = (first, last);
        lookup.reserve(ids.len(), bytes_max)
    }

    /// Adds the row of the next id of the lookup that `begin` began.
    #[inline(always)]
    pub fn add(&mut self, found: Found) {
        let rows = &mut self.lookups[self.newest].found;
        // Without the comparison the compiler keeps code that grows the array.
        if rows.len() < rows.capacity() {
            rows.push(found);
        }
    }

    /// The number of a remembered lookup of these ids.
    pub fn of(&self, ids: &[u64], removals: u64) -> Option<usize> {
        let (&first, &last) = (ids.first()?, ids.last()?);
        let is_of = |lookup: &Lookup| {
            lookup.found.len() == ids.len() && (lookup.first, lookup.last) == (first, last)
        };
        (0..LOOKUPS).find(|&number| removals == self.removals && is_of(&self.lookups[number]))
    }

    /// The row of id `at` of a lookup.
    #[inline(always)]
    pub fn found(&self, lookup: usize, at: usize) -> Found {
        self.lookups[lookup].found.get(at).copied().unwrap_or((no_row(), 0))
    }
}

impl Lookup {
    /// Makes room for the rows of `length` ids.
    fn reserve(&mut self, length: usize, bytes_max: usize) -> bool {
        let bytes = LOOKUPS * SHARE * size_of::<Found>() * length.min(IDS_MAX + 1);
        length <= IDS_MAX && bytes <= bytes_max && self.found.try_reserve_exact(length).is_ok()
    }
}

#[cfg(test)]
mod tests;
