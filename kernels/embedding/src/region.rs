//! A region: the rows of one range of hashes, with an index and pages of its own.
//!
//! A table is many regions, so that growth never touches more than one: its index is rebuilt a little larger when it
//! fills, and when its rows pass `rows_max` it is split in two. Each costs a bounded time, whatever the table's size.

use crate::cuckoo_index::{CuckooIndex, LOAD_MAX_PERCENT, SLOT_BYTES};
use crate::memory::{Memory, Page};
use crate::mixing::mix64;
use crate::page::{Bitmap, PageLayout, Row};
use crate::tags::BUCKET_SLOTS;

/// Handles are 16 bits.
const HANDLES_MAX: usize = 1 << 16;
/// An index that is still crowded at this size holds ids made to collide; their rows are refused.
const SLOTS_MAX: usize = 2 * HANDLES_MAX;
/// Splitting copies a region's rows, so their bytes bound the pause.
const REGION_BYTES_AIMED: usize = 4 << 20;
const REGION_ROWS_MIN: usize = 512;
const REGION_ROWS_MAX: usize = 32 << 10;
/// A rebuilt index is filled to this share; below `INDEX_SMALL` slots it doubles instead.
const LOAD_REBUILT_PERCENT: usize = 86;
const INDEX_SMALL: usize = 1024;
const NO_HANDLE: u32 = u32::MAX;

/// Why a row cannot be inserted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InsertError {
    /// The table's memory limit.
    OutOfMemory,
}

/// Rows whose hashes share their top `depth` bits.
pub struct Region {
    /// From hash to handle.
    pub index: CuckooIndex,
    /// Pages by handle >> rows_shift.
    pub pages: Vec<Page>,
    /// Rows that exist.
    pub rows: usize,
    /// Split when there would be more.
    pub rows_max: usize,
    /// The shared top bits of its hashes, as a number of `depth` bits.
    pub prefix: u64,
    /// Shared bits.
    pub depth: u32,
    /// Consumers (a bit each) for whom a row may have changed.
    pub changed_for: u8,
    /// Where the search for a victim goes on, a handle.
    pub victim_hand: u32,
    /// Freed rows, linked through their keys.
    free_head: u32,
    /// Handles never used yet start here.
    fresh: u32,
}

impl Region {
    /// An empty region; `None` at the memory limit.
    pub fn new(memory: &mut Memory, layout: &PageLayout) -> Option<Region> {
        let index = claimed_index(memory, CuckooIndex::buckets_for(48, LOAD_REBUILT_PERCENT))?;
        Some(Region::with_index(index, layout, 0, 0))
    }

    fn with_index(index: CuckooIndex, layout: &PageLayout, prefix: u64, depth: u32) -> Region {
        let rows_max = (REGION_BYTES_AIMED / layout.stride).clamp(REGION_ROWS_MIN, REGION_ROWS_MAX);
        // Every region has its own bound, between half and all of the maximum, so that regions which fill at the
        // same rate do not all split in the same batch.
        let stagger = mix64((prefix << 6) | u64::from(depth)) as usize % (rows_max / 2);
        Region {
            index,
            pages: Vec::new(),
            rows: 0,
            rows_max: rows_max - stagger,
            prefix,
            depth,
            changed_for: 0,
            victim_hand: 0,
            free_head: NO_HANDLE,
            fresh: 0,
        }
    }

    /// Stands where a region is being split.
    pub fn placeholder() -> Region {
        let index = CuckooIndex::with_buckets(0).expect("nothing to allocate");
        Region {
            index,
            pages: Vec::new(),
            rows: 0,
            rows_max: 0,
            prefix: 0,
            depth: 0,
            changed_for: 0,
            victim_hand: 0,
            free_head: NO_HANDLE,
            fresh: 0,
        }
    }

    /// The row of a handle.
    #[inline(always)]
    pub fn row(&self, layout: &PageLayout, region: u32, handle: u16) -> Row {
        let handle = usize::from(handle);
        let page = self.pages[handle >> layout.rows_shift];
        Row::at(page, (handle & (layout.rows() - 1)) as u32, region, layout)
    }

    /// The row that the next insertion takes, where its page is there already; else null.
    #[inline(always)]
    pub fn next_row(&self, layout: &PageLayout) -> *const u8 {
        let handle = if self.free_head == NO_HANDLE { self.fresh } else { self.free_head };
        match (handle as usize) < self.pages.len() << layout.rows_shift {
            true => self.row(layout, 0, handle as u16).start,
            false => std::ptr::null(),
        }
    }

    /// Whether the handle's row exists.
    pub fn is_occupied(&self, layout: &PageLayout, handle: u32) -> bool {
        handle < self.fresh && self.row(layout, 0, handle as u16).has(layout, Bitmap::OCCUPIED)
    }

    /// Handles used so far, free ones included.
    pub fn handles(&self) -> u32 {
        self.fresh
    }

    /// Adds a row without payload for an id that is not there; its marks are clear but for `OCCUPIED`.
    pub fn insert(
        &mut self,
        memory: &mut Memory,
        layout: &PageLayout,
        region: u32,
        id: u64,
        hash: u64,
    ) -> Result<Row, InsertError> {
        if self.rows >= self.index.entries_max() {
            self.grow_index(memory)?;
        }
        let handle = self.take_handle(memory, layout)?;
        while self.index.insert(hash, handle).is_err() {
            if let Err(error) = self.grow_index(memory) {
                self.return_handle(layout, handle);
                return Err(error);
            }
        }
        let row = self.row(layout, region, handle);
        row.clear_marks(layout);
        row.put(layout, Bitmap::OCCUPIED, true);
        row.set_key(id);
        self.rows += 1;
        Ok(row)
    }

    /// Removes an id's row; false where there is none.
    pub fn remove(&mut self, layout: &PageLayout, id: u64, hash: u64) -> bool {
        let mut found = 0;
        let position = self.index.find(hash, |handle| {
            found = handle;
            self.row(layout, 0, handle).key() == id
        });
        let Some(position) = position else { return false };
        self.index.remove(position);
        self.row(layout, 0, found).clear_marks(layout);
        self.return_handle(layout, found);
        self.rows -= 1;
        true
    }

    /// Calls `visit` with every row.
    pub fn for_each(&self, layout: &PageLayout, region: u32, mut visit: impl FnMut(Row, u16)) {
        for (number, page) in self.pages.iter().enumerate() {
            for word in 0..layout.words() {
                let mut bits = layout.word(page.as_ptr(), Bitmap::OCCUPIED, word);
                while bits != 0 {
                    let index = word as u32 * 64 + bits.trailing_zeros();
                    bits &= bits - 1;
                    let handle = (number << layout.rows_shift) as u32 + index;
                    visit(Row::at(*page, index, region, layout), handle as u16);
                }
            }
        }
    }

    /// Rebuilds the index one step larger.
    pub fn grow_index(&mut self, memory: &mut Memory) -> Result<(), InsertError> {
        let step = match self.index.slots() < INDEX_SMALL {
            true => 200,
            false => 100 * LOAD_MAX_PERCENT / LOAD_REBUILT_PERCENT,
        };
        let mut buckets = (self.index.buckets() as usize * step).div_ceil(100) as u32 + 1;
        loop {
            let mut index = claimed_index(memory, buckets).ok_or(InsertError::OutOfMemory)?;
            if index.fill_from(&self.index).is_ok() {
                memory.release(self.index.bytes());
                self.index = index;
                return Ok(());
            }
            memory.release(index.bytes());
            buckets += buckets / 16 + 1;
        }
    }

    /// The indexes of the two halves of this region, with the handles that `split` will give; nothing changes yet. `None` at
    /// the memory limit.
    pub fn plan_split(&self, memory: &mut Memory, layout: &PageLayout) -> Option<[CuckooIndex; 2]> {
        let bit = 63 - self.depth;
        let mut counts = [0_usize; 2];
        self.for_each(layout, 0, |row, _| counts[half(row.key(), bit)] += 1);
        if !memory.has_room(2) {
            return None;
        }
        let buckets =
            counts.map(|rows| CuckooIndex::buckets_for(rows.max(48), LOAD_REBUILT_PERCENT));
        let low = claimed_index(memory, buckets[0])?;
        let Some(high) = claimed_index(memory, buckets[1]) else {
            memory.release(low.bytes());
            return None;
        };
        let mut indexes = [low, high];
        let mut next = [0_u16; 2];
        let mut fits = true;
        self.for_each(layout, 0, |row, _| {
            let id = row.key();
            let side = half(id, bit);
            fits = fits && indexes[side].insert(mix64(id), next[side]).is_ok();
            next[side] = next[side].wrapping_add(1);
        });
        if !fits {
            memory.release(indexes[0].bytes() + indexes[1].bytes());
            return None;
        }
        Some(indexes)
    }

    /// Moves the rows whose next hash bit is 0 to the first result, the others to the second, giving each page back as soon
    /// as it is empty: beside the region itself this needs two pages and the planned indexes.
    pub fn split(
        self,
        memory: &mut Memory,
        layout: &PageLayout,
        indexes: [CuckooIndex; 2],
    ) -> [Region; 2] {
        let depth = self.depth + 1;
        let mut side = 0;
        let mut halves = indexes.map(|index| {
            side += 1;
            let mut region =
                Region::with_index(index, layout, (self.prefix << 1) | (side - 1), depth);
            region.changed_for = self.changed_for;
            region
        });
        let bit = 63 - self.depth;
        for page in &self.pages {
            for word in 0..layout.words() {
                let mut bits = layout.word(page.as_ptr(), Bitmap::OCCUPIED, word);
                while bits != 0 {
                    let row = Row::at(*page, word as u32 * 64 + bits.trailing_zeros(), 0, layout);
                    bits &= bits - 1;
                    let target = &mut halves[half(row.key(), bit)];
                    let handle = target
                        .take_handle(memory, layout)
                        .expect("two pages are free, see plan_split");
                    row.copy_to(layout, &target.row(layout, 0, handle));
                    target.rows += 1;
                }
            }
            memory.return_page(*page);
        }
        memory.release(self.index.bytes());
        halves
    }

    fn take_handle(
        &mut self,
        memory: &mut Memory,
        layout: &PageLayout,
    ) -> Result<u16, InsertError> {
        if self.free_head != NO_HANDLE {
            let handle = self.free_head as u16;
            self.free_head = self.row(layout, 0, handle).key() as u32;
            return Ok(handle);
        }
        if self.fresh as usize >= HANDLES_MAX {
            return Err(InsertError::OutOfMemory);
        }
        if self.fresh as usize >> layout.rows_shift == self.pages.len() {
            self.pages.try_reserve(1).map_err(|_| InsertError::OutOfMemory)?;
            let page = memory.take_page().ok_or(InsertError::OutOfMemory)?;
            layout.clear(page);
            self.pages.push(page);
        }
        self.fresh += 1;
        Ok((self.fresh - 1) as u16)
    }

    fn return_handle(&mut self, layout: &PageLayout, handle: u16) {
        self.row(layout, 0, handle).set_key(u64::from(self.free_head));
        self.free_head = u32::from(handle);
    }
}

/// Which half of its region an id falls into: 0 or 1.
fn half(id: u64, bit: u32) -> usize {
    (mix64(id) >> bit & 1) as usize
}

fn claimed_index(memory: &mut Memory, buckets: u32) -> Option<CuckooIndex> {
    let slots = buckets as usize * BUCKET_SLOTS;
    let bytes = slots * SLOT_BYTES;
    if slots > SLOTS_MAX || !memory.claim(bytes) {
        return None;
    }
    let index = CuckooIndex::with_buckets(buckets);
    if index.is_none() {
        memory.release(bytes);
    }
    index
}
