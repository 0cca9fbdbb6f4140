//! A batch whose ids, offsets and groups are checked, with the address of each id's row in the rows
//! that the shards sent. All errors of a batch are found here, once; the loops over the batch rely
//! on it.

use crate::batch::plan::PoolPlan;

/// The ids of a batch of examples.
pub struct PoolBatch<'a> {
    /// The distinct ids of group g (the ids of one class on one shard) are those from `groups[g]`
    /// to `groups[g + 1]`; each shard's groups begin with class 0. The rows lie in this order, each
    /// as wide as its class.
    pub groups: &'a [u32],
    /// Index of each id among the distinct ones.
    pub inverse: &'a [u32],
    /// The ids of slot s of example e are `inverse[offsets[e·slots + s]..offsets[e·slots + s +
    /// 1]]`.
    pub offsets: &'a [u32],
}

/// The reason why a batch cannot be pooled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PoolError {
    /// A buffer's length does not fit the plan and the batch.
    Shape,
    /// The offsets descend, point past the ids, or are not those of whole examples.
    Offsets,
    /// An index points past the unique rows.
    Index,
    /// The groups descend, or are not those of whole shards.
    Groups,
    /// An id's row is of another class than its slot's.
    Class,
    /// The host refuses the memory for it.
    OutOfMemory,
}

/// A checked batch.
pub struct CheckedBatch {
    /// The first float of each id's row.
    pub starts: Vec<u32>,
    /// The ids of slot s of example e are those from `offsets[e·slots + s]` to `offsets[e·slots + s
    /// + 1]`.
    pub offsets: Vec<u32>,
    /// The first column of each part in the first example.
    pub bases: Vec<usize>,
    /// The number of examples.
    pub examples: usize,
    /// The first float of the row and the class of each distinct id; empty if there is one class.
    rows: Vec<(u32, u8)>,
    /// Floats of all rows.
    floats: usize,
}

impl CheckedBatch {
    /// A batch without examples.
    pub fn none(plan: &PoolPlan) -> CheckedBatch {
        CheckedBatch {
            starts: Vec::new(),
            offsets: Vec::new(),
            bases: vec![0; plan.parts.len()],
            examples: 0,
            rows: Vec::new(),
            floats: 0,
        }
    }

    /// Whether the rows and the inputs have these lengths.
    pub fn fits(&self, plan: &PoolPlan, row_floats: usize, pooled_floats: usize) -> bool {
        let pooled = plan.width().checked_mul(self.examples);
        self.floats == row_floats && pooled == Some(pooled_floats)
    }

    /// Checks all that the loops rely on and finds every id's row. After an error the batch is
    /// empty.
    pub fn place(
        &mut self,
        plan: &PoolPlan,
        batch: &PoolBatch,
        row_floats: usize,
        pooled_floats: usize,
    ) -> Result<(), PoolError> {
        self.examples = 0;
        self.floats = 0;
        let PoolBatch { groups, inverse, offsets } = *batch;
        let slots = plan.slots();
        let lists = offsets.len().checked_sub(1).ok_or(PoolError::Offsets)?;
        let ascending = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascending || offsets[lists] as usize > inverse.len() || lists % slots != 0 {
            return Err(PoolError::Offsets);
        }
        let classes = plan.widths.len();
        let count = groups.len().checked_sub(1).ok_or(PoolError::Groups)?;
        let ascending = groups[0] == 0 && groups.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascending || count % classes != 0 {
            return Err(PoolError::Groups);
        }
        let ids = &inverse[..offsets[lists] as usize];
        if ids.iter().any(|&position| position >= groups[count]) {
            return Err(PoolError::Index);
        }
        let mut floats = 0_usize;
        for (group, pair) in groups.windows(2).enumerate() {
            let width = plan.widths[group % classes] as usize;
            floats = width
                .checked_mul((pair[1] - pair[0]) as usize)
                .and_then(|more| floats.checked_add(more))
                .filter(|&floats| floats < 1 << 31)
                .ok_or(PoolError::Shape)?;
        }
        let examples = lists / slots;
        let fits = plan.width().checked_mul(examples) == Some(pooled_floats);
        if floats != row_floats || !fits {
            return Err(PoolError::Shape);
        }
        self.starts.clear();
        self.offsets.clear();
        let reserved = self.starts.try_reserve(ids.len()).is_ok()
            && self.offsets.try_reserve(offsets.len()).is_ok();
        if !reserved {
            return Err(PoolError::OutOfMemory);
        }
        if let [width] = plan.widths[..] {
            self.starts.extend(ids.iter().map(|&position| position * width));
        } else {
            self.find_rows_of_classes(plan, groups, ids, offsets)?;
        }
        self.offsets.extend_from_slice(offsets);
        self.bases.iter_mut().zip(plan.bases(examples)).for_each(|(to, base)| *to = base);
        self.examples = examples;
        self.floats = floats;
        Ok(())
    }

    fn find_rows_of_classes(
        &mut self,
        plan: &PoolPlan,
        groups: &[u32],
        ids: &[u32],
        offsets: &[u32],
    ) -> Result<(), PoolError> {
        let classes = plan.widths.len();
        let CheckedBatch { rows, starts, .. } = self;
        rows.clear();
        rows.try_reserve(groups[groups.len() - 1] as usize).map_err(|_| PoolError::OutOfMemory)?;
        let mut start = 0;
        for (group, pair) in groups.windows(2).enumerate() {
            let class = group % classes;
            for _ in pair[0]..pair[1] {
                rows.push((start, class as u8));
                start += plan.widths[class];
            }
        }
        let slots = plan.slots();
        for (list, pair) in offsets.windows(2).enumerate() {
            let expected = plan.class_of_slot[list % slots];
            for &position in &ids[pair[0] as usize..pair[1] as usize] {
                let (start, class) = rows[position as usize];
                if class != expected {
                    return Err(PoolError::Class);
                }
                starts.push(start);
            }
        }
        Ok(())
    }
}
