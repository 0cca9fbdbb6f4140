//! A memo of where the rows found lately lie, in front of the search: ids drawn by popularity come back soon, and one
//! that is remembered costs one line of the second cache instead of tags, entry and page.
//!
//! It is direct-mapped. A word is what is remembered of one id: where its row begins, the row's handle, and eight bits of
//! the id's product beside those that chose the word. So what it knows is verified by the row's key, as what the search
//! finds is; a word goes when its row goes. Where few ids are remembered it rests, so that uniform ids do not pay for it;
//! what is found never depends on that.

use crate::entry::{HANDLES_MAX, HANDLE_BITS};
use crate::search::not_looked_for;

/// 256 kB of words where addresses have 32 bits. Twice as many know more ids, and lookups are 2 % faster or none: not worth
/// the memory.
const ENTRIES: usize = 1 << 15;
/// Chunks that the memo rests at most before it is tried again.
const REST_MAX: u32 = 31;
/// A chunk in which fewer than one id in so many is remembered is not worth asking.
const WORTH_ONE_IN: usize = 4;

/// Ids asked for at once: so many that those that are unknown fill passes of the search.
pub const CHUNK: usize = 512;

/// An address, whose low two bits are free, for rows begin at multiples of four; above it a handle and six bits. One load.
#[cfg(target_pointer_width = "32")]
type Word = u64;
#[cfg(target_pointer_width = "64")]
type Word = u128;

/// Where the eight bits of the product are: two below the address, six above the handle.
const CHECK: Word = 3 | 63 << (usize::BITS + HANDLE_BITS);

/// The memo, and what it did not know of the last chunk.
pub struct RowMemo {
    /// Empty until `begin`.
    words: Vec<Word>,
    unknown_ids: [u64; CHUNK],
    unknown: [u16; CHUNK],
    /// Chunks to go without, and how many it will be after the next one in vain.
    rest: u32,
    next_rest: u32,
}

const _: () = assert!(CHUNK <= 1 << 16);

/// A bijection whose top bits choose the word: Fibonacci hashing of folded bits, as in `batch::Unique`.
#[inline(always)]
fn product_of(id: u64) -> u64 {
    (id ^ (id >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[inline(always)]
fn word_of(product: u64) -> usize {
    (product >> (64 - ENTRIES.trailing_zeros())) as usize
}

/// The eight bits behind those that choose the word, where words have them.
#[inline(always)]
fn check_of(product: u64) -> Word {
    let bits = product >> (56 - ENTRIES.trailing_zeros());
    Word::from(bits >> 2 & 63) << (usize::BITS + HANDLE_BITS) | Word::from(bits & 3)
}

#[inline(always)]
fn word(product: u64, start: *const u8, handle: u32) -> Word {
    debug_assert!(start as usize % 4 == 0 && handle < HANDLES_MAX);
    check_of(product) | start as usize as Word | Word::from(handle) << usize::BITS
}

/// Whether a word may be the one of an id of that product, which chose it.
#[inline(always)]
fn is_of(word: Word, product: u64) -> bool {
    word & CHECK == check_of(product)
}

/// An empty word, which for some ids says to look again.
fn nothing() -> Word {
    word(0, not_looked_for(), 0)
}

impl RowMemo {
    /// Rows of a table from which on it pays: fewer are in cache anyway.
    pub const ROWS_MIN: usize = 2 * ENTRIES;

    /// Bytes of its words.
    pub const BYTES: usize = ENTRIES * size_of::<Word>();

    /// Remembers nothing until `begin`.
    pub fn new() -> RowMemo {
        RowMemo {
            words: Vec::new(),
            unknown_ids: [0; CHUNK],
            unknown: [0; CHUNK],
            rest: 0,
            next_rest: 0,
        }
    }

    /// Begins to remember; false where there is no room.
    #[must_use]
    pub fn begin(&mut self) -> bool {
        if self.words.try_reserve_exact(ENTRIES).is_err() {
            return false;
        }
        self.words.resize(ENTRIES, nothing());
        true
    }

    /// Whether it remembers.
    pub fn has_begun(&self) -> bool {
        !self.words.is_empty()
    }

    /// Whether the next chunk asks it.
    pub fn is_awake(&self) -> bool {
        self.has_begun() && self.rest == 0
    }

    /// Remembers the row of an id, which begins at `start`.
    #[inline(always)]
    pub fn learn(&mut self, id: u64, start: *const u8, handle: u32) {
        let product = product_of(id);
        if let Some(place) = self.words.get_mut(word_of(product)) {
            *place = word(product, start, handle);
        }
    }

    /// Forgets the row of one id.
    #[inline]
    pub fn forget(&mut self, id: u64) {
        let product = product_of(id);
        let at = word_of(product);
        if let Some(word) = self.words.get_mut(at).filter(|word| is_of(**word, product)) {
            *word = nothing();
        }
    }

    /// Calls `known` with the position of each of up to `CHUNK` ids, where its row begins, and its handle; where the id is
    /// unknown, with another's or what stands for none. Returns how many are unknown, `None` while it rests.
    #[inline(always)]
    pub fn recall(
        &mut self,
        ids: &[u64],
        mut known: impl FnMut(usize, *const u8, u32),
    ) -> Option<usize> {
        if !self.is_awake() {
            self.rest = self.rest.saturating_sub(1);
            return None;
        }
        let words: &[Word; ENTRIES] = self.words[..].try_into().ok()?;
        let ids = &ids[..ids.len().min(CHUNK)];
        let mut unknown = 0;
        for (at, &id) in ids.iter().enumerate() {
            let product = product_of(id);
            let word = words[word_of(product)];
            let handle = (word >> usize::BITS) as u32 & (HANDLES_MAX - 1);
            known(at, (word as usize & !3) as *const u8, handle);
            // Without a branch, for it would be mispredicted: the next one takes the place unless this one stays.
            self.unknown[unknown % CHUNK] = at as u16;
            self.unknown_ids[unknown % CHUNK] = id;
            unknown += usize::from(!is_of(word, product));
        }
        if (ids.len() - unknown) * WORTH_ONE_IN < ids.len() {
            self.next_rest = (2 * self.next_rest + 1).min(REST_MAX);
            self.rest = self.next_rest;
        } else {
            self.next_rest = 0;
        }
        Some(unknown)
    }

    /// Ids from `first` to `end` of those that the last `recall` did not know.
    #[inline(always)]
    pub fn unknown_ids(&self, first: usize, end: usize) -> &[u64] {
        &self.unknown_ids[first..end]
    }

    /// Unknown id `number`.
    #[inline(always)]
    pub fn unknown_id(&self, number: usize) -> u64 {
        self.unknown_ids[number % CHUNK]
    }

    /// Where unknown id `number` stands in its chunk.
    #[inline(always)]
    pub fn position(&self, number: usize) -> usize {
        usize::from(self.unknown[number % CHUNK]) % CHUNK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;
    use crate::page::{PageLayout, Row};
    use crate::row_store::RowStore;
    use crate::search::{is_no_row, is_row_of, PASS};
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
            store.slab.payload_mut(&row).copy_from_slice(&mark_of(id, 0));
            model.insert(id, 0);
        }
        (store, model)
    }

    fn assert_found(store: &mut RowStore, model: &HashMap<u64, u64>, ids: &[u64]) {
        let mut found = Vec::new();
        for pass in ids.chunks(PASS) {
            let mut rows = [Row::NONE; PASS];
            store.find_pass(pass, &mut rows);
            found.extend_from_slice(&rows[..pass.len()]);
        }
        let mut starts = Vec::new();
        store.read(ids, usize::MAX, |start| starts.push(start));
        assert_eq!(starts.len(), ids.len());
        for ((row, start), &id) in found.iter().zip(&starts).zip(ids) {
            let truth = store.find(id);
            assert_eq!(row.exists(), model.contains_key(&id), "id {id}");
            assert_eq!((row.start, row.handle), (truth.start, truth.handle));
            assert_eq!(*start, truth.start.cast_const());
            if let Some(&version) = model.get(&id) {
                assert_eq!(row.key(), id);
                assert_eq!(store.slab.payload(row)[..], mark_of(id, version));
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
            let ids: Vec<u64> = (0..1 + random(0) % (2 * PASS) as u64)
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
                    store.slab.payload_mut(&row).copy_from_slice(&mark_of(id, round % 200));
                    model.insert(id, round % 200);
                }
            }
            for _ in 0..40 {
                let row = store.insert(next).unwrap();
                store.slab.payload_mut(&row).copy_from_slice(&mark_of(next, 0));
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
        for chunk in 0..512 {
            let ids: Vec<u64> =
                (0..CHUNK as u64).map(|i| (chunk * CHUNK as u64 + i) % rows).collect();
            asked += u32::from(store.memo.is_awake());
            store.read(&ids, 16, |_| ());
        }
        assert!((10..40).contains(&asked), "asked {asked} times");
        let same: Vec<u64> = (0..PASS as u64).collect();
        for _ in 0..=REST_MAX + 2 {
            store.read(&same, 16, |_| ());
        }
        assert!(store.memo.is_awake() && store.memo.recall(&same, |_, _, _| ()) == Some(0));
    }

    #[test]
    fn a_word_that_another_id_shares_gives_it_its_own_row() {
        let (mut store, _) = filled(RowMemo::ROWS_MIN as u64 + 1);
        // Of two ids whose products differ in the lowest bits alone, each is taken for the other.
        let product = product_of(7);
        let inverse = (0..5).fold(1_u64, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(x.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        });
        let folded = (product ^ 1).wrapping_mul(inverse);
        let other = folded ^ folded >> 32;
        assert!(is_of(word(product, not_looked_for(), 0), product_of(other)) && other != 7);
        let same = [7; PASS];
        store.read(&same, 16, |_| ());
        let mut seen = Vec::new();
        store.read(&[other, 7], 16, |start| seen.push(start));
        assert_eq!(seen, [std::ptr::null(), store.find(7).start.cast_const()]);
        store.insert(other).unwrap();
        for _ in 0..2 {
            for id in [7, other] {
                store.read(&[id], 16, |start| {
                    assert!(!start.is_null());
                    // SAFETY: a row begins with its key.
                    assert_eq!(unsafe { start.cast::<u64>().read_unaligned() }, id);
                });
            }
        }
        store.remove(7);
        store.read(&[7], 16, |start| assert!(start.is_null()));
    }

    #[test]
    fn an_empty_memo_has_the_row_of_no_id() {
        let mut memo = RowMemo::new();
        assert_eq!(memo.recall(&[0, 1], |_, _, _| ()), None);
        assert!(memo.begin());
        let ids: Vec<u64> = (0..100).chain([u64::MAX, 1 << 63]).collect();
        let unknown = memo.recall(&ids, |at, start, _| {
            assert!(!is_row_of(start, ids[at]) && !is_no_row(start));
        });
        assert!(unknown > Some(ids.len() * 9 / 10));
    }
}
