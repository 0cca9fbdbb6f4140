//! A memo of where the rows found lately lie, in front of the search: ids drawn by popularity come back soon, and one
//! that is remembered costs one line of the second cache instead of tags, entry and page.
//!
//! It is direct-mapped and exact: an entry holds the whole id and goes when its row goes; rows do not move. Where few ids are
//! remembered it rests, so that uniform ids do not pay for it; what is found never depends on that.

use crate::page::{PageLayout, Row};
use crate::search::PASS;

/// 256 kB where addresses have 32 bits. Twice and four times as many know more ids and no longer stay in the second
/// cache, which costs what they save.
const ENTRIES: usize = 1 << 14;
/// Passes that the memo rests at most before it is tried again.
const REST_MAX: u32 = 31;
/// A pass in which fewer than one id in so many is remembered is not worth asking.
const WORTH_ONE_IN: usize = 4;

#[derive(Clone, Copy)]
struct Remembered {
    id: u64,
    start: *mut u8,
    handle: u32,
}

/// The memo, and what it knew of the ids of one pass.
pub struct RowMemo {
    /// Empty until `begin`.
    entries: Vec<Remembered>,
    known: [Remembered; PASS],
    unknown_ids: [u64; PASS],
    unknown: [u8; PASS],
    /// Passes to go without, and how many it will be after the next one in vain.
    rest: u32,
    next_rest: u32,
}

const _: () = assert!(PASS <= 1 << 8);

#[inline(always)]
fn entry_of(id: u64) -> usize {
    // Fibonacci hashing of folded bits, as in `batch::Unique`.
    ((id ^ (id >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - ENTRIES.trailing_zeros()))
        as usize
}

/// No id of entry `at`, so that an empty entry needs no flag.
fn stranger_to(at: usize) -> u64 {
    u64::from(entry_of(0) == at)
}

impl Remembered {
    const NONE: Remembered = Remembered { id: 0, start: std::ptr::null_mut(), handle: 0 };
}

impl RowMemo {
    /// Bytes of its entries.
    pub const BYTES: usize = ENTRIES * size_of::<Remembered>();

    /// Rows of a table from which on it pays: fewer are in cache anyway.
    pub const ROWS_MIN: usize = 2 * ENTRIES;

    /// Remembers nothing until `begin`.
    pub fn new() -> RowMemo {
        RowMemo {
            entries: Vec::new(),
            known: [Remembered::NONE; PASS],
            unknown_ids: [0; PASS],
            unknown: [0; PASS],
            rest: 0,
            next_rest: 0,
        }
    }

    /// Begins to remember; false where there is no room for its entries.
    #[must_use]
    pub fn begin(&mut self) -> bool {
        if self.entries.try_reserve_exact(ENTRIES).is_err() {
            return false;
        }
        self.entries.resize(ENTRIES, Remembered::NONE);
        self.clear();
        true
    }

    /// Whether it has its entries.
    pub fn has_begun(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether the next pass asks it.
    pub fn is_awake(&self) -> bool {
        self.has_begun() && self.rest == 0
    }

    fn clear(&mut self) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            *entry = Remembered { id: stranger_to(at), ..Remembered::NONE };
        }
        (self.rest, self.next_rest) = (0, 0);
    }

    /// Forgets the row of one id.
    #[inline]
    pub fn forget(&mut self, id: u64) {
        let at = entry_of(id);
        if let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.id == id) {
            *entry = Remembered { id: stranger_to(at), ..Remembered::NONE };
        }
    }

    /// Looks for up to `PASS` ids and returns how many are unknown; `None` while it rests.
    #[inline(always)]
    pub fn recall(&mut self, ids: &[u64]) -> Option<usize> {
        if !self.is_awake() {
            self.rest = self.rest.saturating_sub(1);
            return None;
        }
        let entries: &[Remembered; ENTRIES] = self.entries[..].try_into().ok()?;
        let ids = &ids[..ids.len().min(PASS)];
        let mut unknown = 0;
        for (at, &id) in ids.iter().enumerate() {
            let entry = entries[entry_of(id)];
            self.known[at] = entry;
            // Without a branch, for it would be mispredicted: the next one takes the place unless this one stays.
            self.unknown[unknown % PASS] = at as u8;
            self.unknown_ids[unknown % PASS] = id;
            unknown += usize::from(entry.id != id);
        }
        if (ids.len() - unknown) * WORTH_ONE_IN < ids.len() {
            self.next_rest = (2 * self.next_rest + 1).min(REST_MAX);
            self.rest = self.next_rest;
        } else {
            self.next_rest = 0;
        }
        Some(unknown)
    }

    /// The first `count` ids that the last `recall` did not know.
    #[inline(always)]
    pub fn unknown_ids(&self, count: usize) -> &[u64] {
        &self.unknown_ids[..count]
    }

    /// Where the row of unknown id `number` is to be looked for, or of none.
    #[inline(always)]
    pub fn expect(&mut self, number: usize, start: *const u8) {
        self.known[usize::from(self.unknown[number]) % PASS].start = start.cast_mut();
    }

    /// The row of unknown id `number` is this one, or none.
    #[inline(always)]
    pub fn learn(&mut self, number: usize, row: &Row) {
        let id = self.unknown_ids[number];
        let found = Remembered { id, start: row.start, handle: row.handle };
        self.known[usize::from(self.unknown[number]) % PASS] = found;
        if row.exists() {
            self.entries[entry_of(id)] = found;
        }
    }

    /// The first byte of the row of id `at` of the pass; null where there is none.
    #[inline(always)]
    pub fn start(&self, at: usize) -> *const u8 {
        self.known[at % PASS].start
    }

    /// The row of id `at` of the pass.
    #[inline(always)]
    pub fn row(&self, at: usize, layout: &PageLayout) -> Row {
        let Remembered { start, handle, .. } = self.known[at % PASS];
        match start.is_null() {
            true => Row::NONE,
            false => Row::starting_at(start, handle, layout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;
    use crate::row_store::RowStore;
    use std::collections::HashMap;

    /// What a row's payload holds, so that another row is not mistaken for it.
    fn mark_of(id: u64, version: u64) -> [u8; 8] {
        mix64(id ^ version << 56).to_le_bytes()
    }

    /// A store with memo, and what it must hold.
    fn filled(rows: u64) -> (RowStore, HashMap<u64, u64>) {
        let mut store = RowStore::new(PageLayout::new(8 + 8, 2, false), 1 << 30).unwrap();
        let mut model = HashMap::new();
        for id in 0..rows {
            let row = store.insert(id).unwrap();
            row.payload(&store.layout).copy_from_slice(&mark_of(id, 0));
            model.insert(id, 0);
        }
        (store, model)
    }

    fn assert_found(store: &mut RowStore, model: &HashMap<u64, u64>, ids: &[u64]) {
        let layout = store.layout;
        let mut found = [Row::NONE; PASS];
        store.find_pass(ids, &mut found);
        let mut starts = Vec::new();
        store.read_pass(ids, usize::MAX, |start| starts.push(start));
        assert_eq!(starts.len(), ids.len());
        for ((row, start), &id) in found.iter().zip(&starts).zip(ids) {
            let truth = store.find(id);
            assert_eq!(row.exists(), model.contains_key(&id), "id {id}");
            assert_eq!((row.page, row.start, row.handle), (truth.page, truth.start, truth.handle));
            assert_eq!(*start, truth.start.cast_const());
            if let Some(&version) = model.get(&id) {
                assert_eq!(row.key(), id);
                assert_eq!(row.payload(&layout)[..], mark_of(id, version));
            }
        }
    }

    #[test]
    fn rows_are_found_as_without_it_while_ids_come_and_go() {
        let rows = RowMemo::ROWS_MIN as u64 + 1000;
        let (mut store, mut model) = filled(rows);
        let mut next = rows;
        let mut recalls = 0;
        for round in 0..1500_u64 {
            let random = |salt: u64| mix64(round << 20 | salt);
            // Most draws are of few ids, so that the memo is asked; some ids were never there.
            let ids: Vec<u64> = (0..1 + random(0) % PASS as u64)
                .map(|i| match random(1 + i) % 8 {
                    0 => random(1000 + i) % (2 * next),
                    1 => next - 1 - random(1000 + i) % 500,
                    _ => random(1000 + i) % 700,
                })
                .collect();
            recalls += u32::from(store.memo.is_awake());
            assert_found(&mut store, &model, &ids);
            // Ids of the pass go, and some come back where another row was meanwhile.
            for (i, &id) in ids.iter().enumerate().take(3) {
                assert_eq!(store.remove(id), model.remove(&id).is_some());
                if id < next && random(2000 + i as u64) % 2 == 0 {
                    let row = store.insert(id).unwrap();
                    row.payload(&store.layout).copy_from_slice(&mark_of(id, round % 200));
                    model.insert(id, round % 200);
                }
            }
            for _ in 0..40 {
                let row = store.insert(next).unwrap();
                row.payload(&store.layout).copy_from_slice(&mark_of(next, 0));
                model.insert(next, 0);
                next += 1;
            }
            assert_found(&mut store, &model, &ids);
        }
        assert!(recalls > 1000, "{recalls} recalls");
    }

    #[test]
    fn it_rests_where_no_id_comes_twice_and_wakes_where_some_do() {
        let rows = 4 * RowMemo::ROWS_MIN as u64;
        let (mut store, _) = filled(rows);
        let mut asked = 0;
        for pass in 0..512 {
            let ids: Vec<u64> = (0..PASS as u64).map(|i| (pass * PASS as u64 + i) % rows).collect();
            asked += u32::from(store.memo.is_awake());
            store.read_pass(&ids, 16, |_| ());
        }
        assert!((10..40).contains(&asked), "asked {asked} times");
        let same: Vec<u64> = (0..PASS as u64).collect();
        for _ in 0..=REST_MAX + 2 {
            store.read_pass(&same, 16, |_| ());
        }
        assert!(store.memo.is_awake() && store.memo.recall(&same) == Some(0));
    }

    #[test]
    fn an_empty_memo_knows_no_id() {
        let mut memo = RowMemo::new();
        assert_eq!(memo.recall(&[0, 1]), None);
        assert!(memo.begin());
        let ids: Vec<u64> = (0..100).chain([u64::MAX, 1 << 63]).collect();
        assert_eq!(memo.recall(&ids), Some(ids.len()));
        assert_eq!(memo.unknown_ids(ids.len()), ids);
    }
}
