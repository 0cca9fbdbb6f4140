//! The pooling plan: which columns of a slot's rows become which columns of the model's inputs.

/// How the rows of one slot are combined. Codes as in `options.ts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combiner {
    /// Σ rows
    Sum,
    /// Σ rows / n
    Mean,
    /// Σ rows / √n
    Sqrtn,
    /// The first row.
    First,
    /// The first rows next to each other, not pooled, as attention reads them.
    Each,
}

impl Combiner {
    fn decode(code: u32) -> Option<Combiner> {
        use Combiner::{Each, First, Mean, Sqrtn, Sum};
        [Sum, Mean, Sqrtn, First, Each].get(code as usize).copied()
    }

    /// Whether the vector is made of the sum of all rows.
    #[inline(always)]
    pub fn adds(self) -> bool {
        !matches!(self, Combiner::First | Combiner::Each)
    }

    /// The divisor of the sum of `n` ≥ 1 rows.
    #[inline(always)]
    pub fn divisor(self, n: usize) -> f32 {
        match self {
            Combiner::Sum | Combiner::First | Combiner::Each => 1.0,
            Combiner::Mean => n as f32,
            Combiner::Sqrtn => (n as f32).sqrt(),
        }
    }
}

/// Some columns of a slot's rows, and their columns in an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// How several rows become one vector.
    pub combiner: Combiner,
    /// Vectors of one example: 1, or for [`Combiner::Each`] the maximum number of rows read.
    pub entries: usize,
    /// First column in the row, and number of columns.
    pub column: usize,
    /// See `column`.
    pub dim: usize,
    /// The number of the input, and the first column there.
    pub block: usize,
    /// See `block`.
    pub at: usize,
    /// Floats of one example in that input.
    pub stride: usize,
}

impl Part {
    /// Floats of one example.
    #[inline(always)]
    pub fn floats(&self) -> usize {
        self.entries * self.dim
    }
}

/// The plan of a model's inputs, blocks of `[examples, stride]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolPlan {
    /// Floats of a row, by class.
    pub widths: Vec<u32>,
    /// The class of each slot's rows.
    pub class_of_slot: Vec<u8>,
    /// Floats of one example, by block.
    strides: Vec<usize>,
    /// All parts, by slot.
    pub parts: Vec<Part>,
    /// Parts of slot s are those from `first_part[s]` to `first_part[s + 1]`.
    first_part: Vec<usize>,
}

const CLASSES_MAX: u32 = 256;
const SLOTS_MAX: u32 = 1 << 12;
const BLOCKS_MAX: u32 = 64;
/// Floats of one example in all inputs.
const STRIDE_MAX: usize = 1 << 24;

impl PoolPlan {
    /// Decodes words of `pool_kernel.ts`: classes, a width each, blocks, a stride each, slots, a
    /// class each, then `{slot, combiner, entries, column, dim, block, at}` a part, slot by slot.
    /// Parts must fill each block without a gap.
    pub fn decode(words: &[u32]) -> Option<PoolPlan> {
        let mut words = words.iter().copied();
        let mut list = |low: u32, high: u32, item_max: u32| -> Option<Vec<u32>> {
            let count = words.next().filter(|count| (low..=high).contains(count))?;
            let items: Vec<u32> = words.by_ref().take(count as usize).collect();
            let whole = items.len() == count as usize;
            (whole && items.iter().all(|&item| item <= item_max)).then_some(items)
        };
        let widths = list(1, CLASSES_MAX, 1 << 20)?;
        let strides = list(1, BLOCKS_MAX, STRIDE_MAX as u32)?;
        let classes = list(1, SLOTS_MAX, widths.len() as u32 - 1)?;
        let strides: Vec<usize> = strides.into_iter().map(|stride| stride as usize).collect();
        let mut filled = vec![0; strides.len()];
        let mut parts = Vec::new();
        let mut first_part = vec![0];
        while let Some(slot) = words.next() {
            let mut next = || words.next().map(|word| word as usize);
            let combiner = Combiner::decode(next()? as u32)?;
            let (entries, column, dim) = (next()?, next()?, next()?);
            let (block, at) = (next()?, next()?);
            let class = *classes.get(slot as usize)?;
            let stride = *strides.get(block)?;
            let fits = column.checked_add(dim)? <= widths[class as usize] as usize;
            let vectors = entries == 1 || (combiner == Combiner::Each && entries > 0);
            let in_order = slot as usize + 1 >= first_part.len() && at == filled[block];
            if !fits || !vectors || dim == 0 || !in_order {
                return None;
            }
            filled[block] = entries.checked_mul(dim)?.checked_add(at)?;
            first_part.resize(slot as usize + 1, parts.len());
            parts.push(Part { combiner, entries, column, dim, block, at, stride });
        }
        if filled != strides || strides.iter().sum::<usize>() > STRIDE_MAX {
            return None;
        }
        first_part.resize(classes.len() + 1, parts.len());
        let class_of_slot = classes.into_iter().map(|class| class as u8).collect();
        Some(PoolPlan { widths, class_of_slot, strides, parts, first_part })
    }

    /// Slots of an example.
    pub fn slots(&self) -> usize {
        self.class_of_slot.len()
    }

    /// Floats of one example in all inputs.
    pub fn width(&self) -> usize {
        self.strides.iter().sum()
    }

    /// The range of a slot's parts in `parts`.
    #[inline(always)]
    pub fn parts_of(&self, slot: usize) -> core::ops::Range<usize> {
        self.first_part[slot]..self.first_part[slot + 1]
    }

    /// The first column of each part in the first of `examples` examples.
    pub fn bases(&self, examples: usize) -> impl Iterator<Item = usize> + '_ {
        let before = move |block: usize| self.strides[..block].iter().sum::<usize>() * examples;
        self.parts.iter().map(move |part| before(part.block) + part.at)
    }
}
