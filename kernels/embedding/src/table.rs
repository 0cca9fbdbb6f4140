//! The training table: rows of weights and optimizer state, initialized, updated and evicted by the
//! policy of their slot.

use crate::admission::{admitted_by_chance, admitted_share, AdmissionCounter};
use crate::changes::Changes;
use crate::copy::{copy_floats, copy_rows};
use crate::optimizers::{all_finite, every_rule_accepts};
use crate::page::{Bitmap, PageLayout, Row, KEY_BYTES};
use crate::policy::{Admission, AtLimit, TableOptions};
use crate::row_lookup::Sought;
use crate::row_starts::is_no_row;
use crate::row_store::RowStore;
use crate::search::WRITTEN_PASS;
use crate::slice_steps::{Places, SliceSteps};
use crate::snapshot::Snapshot;
use crate::training_row::ROW_HEADER_BYTES;

/// Increment of a row's counter by an update.
pub const COUNTED_UPDATE: u8 = 1;

/// The value of an absent id in a lookup.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Zeros.
    Zeros,
    /// The initial value of its row. The ids are about to be updated: their rows are remembered
    /// until then.
    Initial,
}

/// Counts since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Counts {
    /// Ids looked up.
    pub lookups: f64,
    /// Ids looked up that have no row.
    pub missing: f64,
    /// Ids that got a row.
    pub admitted: f64,
    /// Updates of ids that were not admitted.
    pub filtered: f64,
    /// Rows evicted, expired or for room.
    pub evicted: f64,
    /// Updates refused: no room, or a gradient that no row may apply.
    pub rejected: f64,
    /// Rows updated.
    pub updated: f64,
}

/// A training table. Rows hold `options.floats` floats, weights first.
pub struct EmbeddingTable {
    /// The decoded options.
    pub options: TableOptions,
    /// The rows.
    pub store: RowStore,
    /// Occurrences of ids without a row.
    pub admission: AdmissionCounter,
    /// Changes for each consumer.
    pub changes: Changes,
    /// The snapshot under way.
    pub snapshot: Option<Snapshot>,
    /// Bound of the memory for rows that snapshots copy aside; `None` = a share of the table's.
    pub aside_bytes_max: Option<usize>,
    /// Newest update time seen, seconds.
    pub clock_seconds: u32,
    /// The handle where expiry continues.
    pub expiry_hand: u32,
    /// Number of update calls; seeds the draws of admission by probability.
    pub updates: u64,
    /// Factor on each slice's learning rate, set by schedules.
    pub learning_rate_scales: Vec<f32>,
    /// Running counts.
    pub counts: Counts,
    /// Buffer for the share of a gradient that a new row applies.
    scaled: Vec<f32>,
}

/// The ids of a pass without a row, and their indices in the pass.
struct Absent {
    ids: [u64; WRITTEN_PASS],
    positions: [u8; WRITTEN_PASS],
    count: usize,
}

const _: () = assert!(WRITTEN_PASS <= 1 << 8);

impl Absent {
    fn new() -> Absent {
        Absent { ids: [0; WRITTEN_PASS], positions: [0; WRITTEN_PASS], count: 0 }
    }

    fn push(&mut self, position: usize, id: u64) {
        self.ids[self.count] = id;
        self.positions[self.count] = position as u8;
        self.count += 1;
    }

    fn ids(&self) -> &[u64] {
        &self.ids[..self.count]
    }

    fn position(&self, number: usize) -> usize {
        usize::from(self.positions[number])
    }
}

impl EmbeddingTable {
    /// An empty table; `None` if its memory limit is too small for one page.
    pub fn new(options: TableOptions) -> Option<EmbeddingTable> {
        let counted = options.at_limit == AtLimit::EvictLeastFrequentlyUsed;
        let stride = ROW_HEADER_BYTES + options.floats * 4;
        let layout = PageLayout::new(stride, Changes::BITMAPS, counted);
        let admission = AdmissionCounter::new(options.admission_ids_max);
        let mut store = RowStore::new(layout, options.bytes_max)?;
        let mut scaled = Vec::new();
        scaled.try_reserve_exact(options.width).ok()?;
        scaled.resize(options.width, 0.0);
        // The counter allocates at its first use; its share of the limit is claimed now.
        if options.anything_is_counted() && !store.memory.claim(admission.bytes_max()) {
            return None;
        }
        Some(EmbeddingTable {
            learning_rate_scales: vec![1.0; options.slices.len()],
            scaled,
            options,
            store,
            admission,
            changes: Changes::default(),
            snapshot: None,
            aside_bytes_max: None,
            clock_seconds: 0,
            expiry_hand: 0,
            updates: 0,
            counts: Counts::default(),
        })
    }

    /// Copies the weights of `ids` to `out`, shape `[ids, width]`; `found[i]` is 1 if the id has a
    /// row that has not expired.
    pub fn lookup(&mut self, ids: &[u64], out: &mut [f32], missing: Missing, found: &mut [u8]) {
        let width = self.options.width;
        assert!(out.len() == ids.len() * width && found.len() == ids.len());
        let mut absent = 0;
        let EmbeddingTable { options, store, clock_seconds, .. } = self;
        let expires = options.anything_expires();
        found.fill(1);
        let bytes = ROW_HEADER_BYTES + width * 4;
        store.read(ids, bytes, missing == Missing::Initial, |first, starts, without_row| {
            let out = &mut out[first * width..][..starts.len() * width];
            // SAFETY: a row holds at least `width` floats behind key and stamp, and there is no
            // writer meanwhile.
            unsafe { copy_rows(starts, ROW_HEADER_BYTES, width, out) };
            if without_row == 0 && !expires {
                return;
            }
            let answers = ids[first..].iter().zip(out.chunks_exact_mut(width));
            let answers = answers.zip(&mut found[first..]);
            for (((&id, out), found), &start) in answers.zip(starts) {
                // SAFETY: the stamp follows the key.
                let stamp = || unsafe { start.add(KEY_BYTES).cast::<u32>().read_unaligned() };
                let has_expired = || expires && options.has_expired(id, stamp(), *clock_seconds);
                if !is_no_row(start) && !has_expired() {
                    continue;
                }
                *found = 0;
                absent += 1;
                match missing {
                    Missing::Zeros => out.fill(0.0),
                    Missing::Initial => options.initial_weights(id, out),
                }
            }
        });
        self.counts.lookups += ids.len() as f64;
        self.counts.missing += f64::from(absent);
    }

    /// Applies one gradient to each of `ids`, which must be distinct. An absent id is admitted
    /// first; its new row gets its initial value and applies the share of the gradient beyond the
    /// threshold.
    pub fn apply_gradients(
        &mut self,
        ids: &[u64],
        gradients: &[f32],
        counts: &[u32],
        seconds: u32,
    ) {
        let width = self.options.width;
        assert!(gradients.len() == ids.len() * width && counts.len() == ids.len());
        self.clock_seconds = self.clock_seconds.max(seconds);
        self.updates += 1;
        let expires = self.options.anything_expires();
        let mut rows = [Row::NONE; WRITTEN_PASS];
        let mut sought = Sought::none(self.store.removals);
        for first in (0..ids.len()).step_by(WRITTEN_PASS) {
            self.store.find_pass(ids, first, &mut sought, &mut rows);
            let ids = &ids[first..ids.len().min(first + WRITTEN_PASS)];
            if expires {
                self.evict_expired_among(ids, &mut rows);
            }
            let gradients = &gradients[first * width..][..ids.len() * width];
            let counts = &counts[first..][..ids.len()];
            self.learn(&rows[..ids.len()], ids, gradients, seconds);
            let mut absent = Absent::new();
            for (at, &id) in ids.iter().enumerate().filter(|(at, _)| !rows[*at].exists()) {
                absent.push(at, id);
            }
            self.store.search_to_insert(absent.ids());
            for (number, &id) in absent.ids().iter().enumerate() {
                let at = absent.position(number);
                let gradient = &gradients[at * width..][..width];
                self.admit_and_learn(number, id, gradient, counts[at], seconds);
            }
        }
    }

    /// Sets the weights of `ids`, admitted or not; a new row's state is its optimizer's initial
    /// one. The last row of an id counts.
    pub fn assign(&mut self, ids: &[u64], weights: &[f32], seconds: u32) {
        let width = self.options.width;
        assert!(weights.len() == ids.len() * width);
        self.clock_seconds = self.clock_seconds.max(seconds);
        let expires = self.options.anything_expires();
        for (pass, ids) in ids.chunks(WRITTEN_PASS).enumerate() {
            self.store.search_to_insert(ids);
            let weights = &weights[pass * WRITTEN_PASS * width..][..ids.len() * width];
            for (at, (&id, weights)) in ids.iter().zip(weights.chunks_exact(width)).enumerate() {
                if !all_finite(weights) {
                    self.counts.rejected += 1.0;
                    continue;
                }
                let mut row = self.store.found_at(at, id);
                if expires && row.exists() {
                    let stamp = self.store.slab.stamp(&row);
                    if self.options.has_expired(id, stamp, self.clock_seconds) {
                        self.evict(&row);
                        row = Row::NONE;
                    }
                }
                let row = match row.exists() {
                    true => Some(row),
                    false => self.insert_without_weights(id, Some(at)),
                };
                let Some(row) = row else { continue };
                self.before_change(&row);
                copy_floats(weights, &mut self.store.slab.floats_mut(&row)[..width]);
                self.after_change(&row, seconds);
            }
        }
    }

    /// Applies a gradient to each row that exists, of at most `WRITTEN_PASS`. Rows that follow one
    /// another and have the same optimizers take each slice's step together.
    #[inline(never)]
    fn learn(&mut self, rows: &[Row], ids: &[u64], gradients: &[f32], seconds: u32) {
        // Nearly always, and quicker than comparing each row's.
        let accepts_all = every_rule_accepts(gradients);
        let mut positions = [0; WRITTEN_PASS];
        let mut count = 0;
        let each = rows.iter().zip(ids).zip(gradients.chunks_exact(self.options.width));
        for (at, ((row, &id), gradient)) in
            each.enumerate().filter(|(_, ((row, _), _))| row.exists())
        {
            if accepts_all || self.options.accepts(id, gradient) {
                self.before_change(row);
                positions[count] = at as u8;
                count += 1;
            } else {
                self.counts.rejected += 1.0;
            }
        }
        let positions = &positions[..count];
        let EmbeddingTable { options, store, learning_rate_scales, .. } = self;
        let policy_of = |at: u8| options.policy(ids[usize::from(at)]);
        for alike in positions.chunk_by(|&a, &b| policy_of(a).steps_as == policy_of(b).steps_as) {
            let rules = policy_of(alike[0]).rules.iter().zip(&options.slices);
            for (((_, optimizer), slice), &scale) in rules.zip(&*learning_rate_scales) {
                let used = optimizer.state_floats(slice.dim);
                let places = Places { positions: alike, rows, gradients, width: options.width };
                optimizer.apply(scale, &mut SliceSteps::new(&mut store.slab, places, slice, used));
            }
        }
        for &at in positions {
            self.after_change(&rows[usize::from(at)], seconds);
        }
        self.counts.updated += count as f64;
    }

    /// `number` is the index of the id in the last search for ids to insert.
    #[inline(never)]
    fn admit_and_learn(
        &mut self,
        number: usize,
        id: u64,
        gradient: &[f32],
        count: u32,
        seconds: u32,
    ) {
        // The caller passed a count of 0 by mistake; the gradient shows that there was an
        // occurrence.
        let count = count.max(1);
        // The batch may hold an id twice, against the contract; then its row exists by now.
        let row = self.store.found_at(number, id);
        if row.exists() {
            return self.learn(&[row], &[id], gradient, seconds);
        }
        let share = match self.options.policy(id).admission {
            Admission::AtOnce => 1.0,
            Admission::After(threshold) => {
                let before = self.admission.add(id, count);
                admitted_share(before, count, threshold)
            }
            Admission::ByChance(chance) => {
                let drawn = admitted_by_chance(self.options.seed, id, self.updates, count, chance);
                f32::from(u8::from(drawn))
            }
        };
        if share <= 0.0 {
            self.counts.filtered += 1.0;
            return;
        }
        if !self.options.accepts(id, gradient) {
            self.counts.rejected += 1.0;
            return;
        }
        let Some(row) = self.insert(id, Some(number)) else { return };
        if share == 1.0 {
            return self.learn(&[row], &[id], gradient, seconds);
        }
        let mut scaled = std::mem::take(&mut self.scaled);
        for (scaled, value) in scaled.iter_mut().zip(gradient) {
            *scaled = value * share;
        }
        self.learn(&[row], &[id], &scaled, seconds);
        self.scaled = scaled;
    }

    /// Called before every change of an existing row, for a running snapshot.
    #[inline(always)]
    pub fn before_change(&mut self, row: &Row) {
        if self.snapshot.is_some() && row.has(&self.store.layout, Bitmap::IN_SNAPSHOT) {
            self.preserve(row);
        }
    }

    #[inline(always)]
    fn after_change(&mut self, row: &Row, seconds: u32) {
        // A late update must not make a row look older than it is.
        let slab = &mut self.store.slab;
        slab.set_stamp(row, slab.stamp(row).max(seconds));
        if let Some(updates) = slab.counter(row) {
            slab.set_counter(row, updates.saturating_add(COUNTED_UPDATE));
        }
        self.changes.touch(&mut self.store, row);
    }

    /// Removes a row; consumers get a tombstone.
    pub fn evict(&mut self, row: &Row) {
        let id = row.key();
        self.before_change(row);
        self.changes.bury(id, self.store.rows());
        self.store.remove(id);
        self.counts.evicted += 1.0;
    }
}
