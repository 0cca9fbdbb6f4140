//! A memo of rows found recently, asked before the search. Ids drawn by popularity return soon; a
//! remembered id costs one line of the second-level cache instead of bucket and page.
//!
//! # The plain algorithm
//!
//! A direct-mapped cache:
//!
//! ```text
//! recall(id):         word = words[top 15 to 17 bits of product(id)]
//!                     if word's check bits == 8 further bits of product(id): address, handle
//!                     else unknown
//! remember(id, row):  words[...] = check bits, address and handle of row
//! remove(id):         words[...] = nothing, if the check bits are the id's
//! ```
//!
//! Eight check bits can agree by chance, and then a word holds the row of another id. So the caller
//! compares the id with the row's key, as it does after a search. A word is forgotten when its row
//! is removed, so an address in the memo is always that of a row.
//!
//! # Deviations, and their gain
//!
//! On Intel the memo takes 16 % off lookups of Zipf ids and adds 3 to 5 % to uniform ones.
//!
//! 1. **Eight bytes a word.** The low two bits of an address are always 0 and carry two check bits;
//!    the upper half carries the handle and six more. Twice as many words fit the same memory as
//!    with the id in the word: 72 instead of 67 % of Zipf ids are known.
//! 2. **The row's address, not only its handle:** 1.5 ns an id, since no page table is read.
//! 3. **512 ids at once.** The unknown ids of a chunk are a pass of the search: 20.3 → 19.5 ns.
//! 4. **No branch on known or unknown,** which would be mispredicted: each id is written to the
//!    list of unknown ids, whose length then grows by 0 or 1.
//! 5. **Words by the number of rows.** Twice as many words know 4 % more of Zipf ids, and cost half
//!    a byte to a byte a key, where rows are four times as many.
//! 6. **Pauses.** If fewer than a quarter of a chunk's ids are known, the memo is not asked for 1,
//!    then 3, 7, … 31 chunks, so that uniform ids do not pay for it. Results do not depend on that.
//! 7. **Words are read in a loop of their own,** as lines are in `search.rs`. Half of the time that
//!    the memo took was waiting for words that had left the second-level cache: lookups of Zipf ids
//!    − 3 to − 5 % on Intel, updates − 4 %.
//!
//! # Example
//!
//! ```text
//! product(42) = 0xf519_f86e_e238_5b72
//! index  0x7a8c   the top 15 bits, in a memo of 2^15 words
//! check  0xf0     the 8 bits after the top 17
//! ```
//!
//! If row 42 begins at address 0x0012_3450 and has handle 9, word 0x7a8c holds 0x0012_3450 in its
//! low half, with check bits 0b00 in the two lowest, and 9 | 0b111100 << 26 in its high half.

use crate::entry::{HANDLES_MAX, HANDLE_BITS};
use crate::row_starts::not_looked_for;
use crate::search::PASS;

/// Words of the smallest memo, as a power of two: 256 kB with 32-bit addresses.
const BITS_MIN: u32 = 15;
/// Words of the largest memo: 1 MB, which the second-level cache still holds.
const BITS_MAX: u32 = 17;
/// The smallest memo serves fewer rows than this, as a power of two.
const SMALLEST_ROWS_BITS: u32 = 19;
/// Maximum length of a pause, chunks.
const PAUSE_MAX: u32 = 31;
/// The memo pauses after a chunk of which fewer than one id in `WORTH_ONE_IN` is known.
const WORTH_ONE_IN: usize = 4;

/// Ids asked for at once: the unknown ones are one pass of the search.
pub const CHUNK: usize = PASS;

/// A word: the address of a row, whose low two bits are check bits, and above it a handle and six
/// more check bits.
#[cfg(target_pointer_width = "32")]
type Word = u64;
#[cfg(target_pointer_width = "64")]
type Word = u128;

/// The check bits: two below the address, six above the handle.
const CHECK: Word = 3 | 63 << (usize::BITS + HANDLE_BITS);

/// The memo, and the unknown ids of the last chunk.
pub struct RowMemo {
    /// Empty until the first `resize`, then a power of two of them.
    words: Vec<Word>,
    /// 64 minus that power.
    shift: u32,
    /// The words of the last chunk's ids.
    read: [Word; CHUNK],
    unknown_ids: [u64; CHUNK],
    unknown: [u16; CHUNK],
    /// Chunks left of the current pause, and the length of the next one.
    pause: u32,
    next_pause: u32,
}

const _: () = assert!(CHUNK <= 1 << 16);

/// A bijection whose top bits choose the word: Fibonacci hashing of folded bits, as in
/// `batch::Unique`.
#[inline(always)]
fn product_of(id: u64) -> u64 {
    (id ^ (id >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The eight bits of the product after those that choose a word of the largest memo, at the check
/// bits' positions.
#[inline(always)]
fn check_of(product: u64) -> Word {
    let bits = product >> (56 - BITS_MAX);
    Word::from(bits >> 2 & 63) << (usize::BITS + HANDLE_BITS) | Word::from(bits & 3)
}

#[inline(always)]
fn word(product: u64, start: *const u8, handle: u32) -> Word {
    debug_assert!(start as usize % 4 == 0 && handle < HANDLES_MAX);
    check_of(product) | start as usize as Word | Word::from(handle) << usize::BITS
}

/// Whether the check bits of the word that `product` chose are those of `product`.
#[inline(always)]
fn is_of(word: Word, product: u64) -> bool {
    word & CHECK == check_of(product)
}

/// An empty word. Its address may be touched and has no id's key.
fn nothing() -> Word {
    word(0, not_looked_for(), 0)
}

impl RowMemo {
    /// Rows of a table from which on the memo pays; fewer are in cache anyway.
    pub const ROWS_MIN: usize = 2 << BITS_MIN;

    /// A memo that is empty and inactive until `resize`.
    pub fn new() -> RowMemo {
        RowMemo {
            words: Vec::new(),
            shift: 64 - BITS_MIN,
            read: [0; CHUNK],
            unknown_ids: [0; CHUNK],
            unknown: [0; CHUNK],
            pause: 0,
            next_pause: 0,
        }
    }

    /// Number of words for a table of so many rows.
    pub fn words_for(rows: usize) -> usize {
        if rows < RowMemo::ROWS_MIN {
            return 0;
        }
        let doublings = (rows.ilog2() + 2).saturating_sub(SMALLEST_ROWS_BITS) / 2;
        1 << (BITS_MIN + doublings).min(BITS_MAX)
    }

    /// Number of words.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// Bytes of so many words.
    pub fn bytes_of(words: usize) -> usize {
        words * size_of::<Word>()
    }

    /// Forgets all, and has `words` words from now on, a power of two; false if there is no memory
    /// for them, then nothing changes.
    #[must_use]
    pub fn resize(&mut self, words: usize) -> bool {
        let mut empty = Vec::new();
        if empty.try_reserve_exact(words).is_err() {
            return false;
        }
        empty.resize(words, nothing());
        self.words = empty;
        self.shift = 64 - words.trailing_zeros();
        true
    }

    /// The index of a product's word.
    #[inline(always)]
    fn word_of(&self, product: u64) -> usize {
        (product >> self.shift) as usize
    }

    /// Whether the next chunk asks the memo.
    pub fn is_active(&self) -> bool {
        !self.words.is_empty() && self.pause == 0
    }

    /// Remembers the row of an id, which begins at `start`.
    #[inline(always)]
    pub fn remember(&mut self, id: u64, start: *const u8, handle: u32) {
        let product = product_of(id);
        let at = self.word_of(product);
        if let Some(known) = self.words.get_mut(at) {
            *known = word(product, start, handle);
        }
    }

    /// Removes the row of an id.
    #[inline]
    pub fn remove(&mut self, id: u64) {
        let product = product_of(id);
        let at = self.word_of(product);
        if let Some(word) = self.words.get_mut(at).filter(|word| is_of(**word, product)) {
            *word = nothing();
        }
    }

    /// Calls `answer` for each of up to `CHUNK` ids with its index, the address of its row and the
    /// handle; for an unknown id with those of another row or of a stand-in. Returns the number of
    /// unknown ids, `None` during a pause.
    #[inline(always)]
    pub fn recall(
        &mut self,
        ids: &[u64],
        mut answer: impl FnMut(usize, *const u8, u32),
    ) -> Option<usize> {
        if !self.is_active() {
            self.pause = self.pause.saturating_sub(1);
            return None;
        }
        let ids = &ids[..ids.len().min(CHUNK)];
        self.read_words(ids);
        let mut unknown = 0;
        for (at, &id) in ids.iter().enumerate() {
            let product = product_of(id);
            let word = self.read[at % CHUNK];
            let handle = (word >> usize::BITS) as u32 & (HANDLES_MAX - 1);
            answer(at, (word as usize & !3) as *const u8, handle);
            // Without a branch, which would be mispredicted: the next id overwrites this one unless
            // it is unknown.
            self.unknown[unknown % CHUNK] = at as u16;
            self.unknown_ids[unknown % CHUNK] = id;
            unknown += usize::from(!is_of(word, product));
        }
        if (ids.len() - unknown) * WORTH_ONE_IN < ids.len() {
            self.next_pause = (2 * self.next_pause + 1).min(PAUSE_MAX);
            self.pause = self.next_pause;
        } else {
            self.next_pause = 0;
        }
        Some(unknown)
    }

    /// Reads the words of up to `CHUNK` ids.
    #[inline(never)]
    fn read_words(&mut self, ids: &[u64]) {
        for (read, &id) in self.read.iter_mut().zip(ids) {
            // SAFETY: there are `2^(64 - shift)` words.
            *read = unsafe { *self.words.get_unchecked((product_of(id) >> self.shift) as usize) };
        }
    }

    /// Adds unknown id number `number`, at index `at` of the chunk, to those of a chunk that the
    /// memo is not asked for.
    #[inline(always)]
    pub fn list_unknown(&mut self, number: usize, at: usize, id: u64) {
        self.unknown[number % CHUNK] = at as u16;
        self.unknown_ids[number % CHUNK] = id;
    }

    /// The first `count` ids that the last `recall` did not know.
    #[inline(always)]
    pub fn unknown_ids(&self, count: usize) -> &[u64] {
        &self.unknown_ids[..count]
    }

    /// Unknown id number `number`.
    #[inline(always)]
    pub fn unknown_id(&self, number: usize) -> u64 {
        self.unknown_ids[number % CHUNK]
    }

    /// Index of unknown id number `number` in its chunk.
    #[inline(always)]
    pub fn position(&self, number: usize) -> usize {
        usize::from(self.unknown[number % CHUNK]) % CHUNK
    }
}

#[cfg(test)]
mod tests;
