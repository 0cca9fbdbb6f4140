//! Pooling: a slot of an example may hold many ids; the dense model sees one vector a slot. And its gradient,
//! which is also the sum of duplicates: every id's share is added to its unique row.

use crate::lanes::{F32x4, Lanes};

/// How the rows of one segment become one vector. Codes as in `options.ts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combiner {
    /// Σ rows
    Sum,
    /// Σ rows / n
    Mean,
    /// Σ rows / √n
    Sqrtn,
    /// The first row alone.
    First,
}

impl Combiner {
    fn decode(code: u8) -> Option<Combiner> {
        [Combiner::Sum, Combiner::Mean, Combiner::Sqrtn, Combiner::First]
            .get(code as usize)
            .copied()
    }

    /// What the sum of `n` ≥ 1 rows is divided by.
    #[inline(always)]
    fn divisor(self, n: usize) -> f32 {
        match self {
            Combiner::Sum | Combiner::First => 1.0,
            Combiner::Mean => n as f32,
            Combiner::Sqrtn => (n as f32).sqrt(),
        }
    }
}

/// Columns `[column, column + dim)` of rows of `width` floats; segment k belongs to slot k mod `combiners.len()`.
pub struct PoolShape<'a> {
    /// Floats a unique row.
    pub width: usize,
    /// The segment's first column.
    pub column: usize,
    /// The segment's columns.
    pub dim: usize,
    /// Position of each id's row among the unique rows, segment after segment.
    pub inverse: &'a [u32],
    /// Segment k is `inverse[offsets[k]..offsets[k + 1]]`.
    pub offsets: &'a [u32],
    /// One code a slot.
    pub combiners: &'a [u8],
}

/// Why a batch cannot be pooled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PoolError {
    /// The columns do not lie inside the row, or a buffer's length does not fit the shape.
    Shape,
    /// The offsets descend or point past the ids.
    Offsets,
    /// A position points past the unique rows.
    Position,
    /// A combiner code above 3, or segments that are no multiple of the slots.
    Combiner,
}

impl PoolShape<'_> {
    /// Checks all that the loops rely on, once a batch, and returns the number of segments.
    fn check(&self, rows: usize, pooled: usize) -> Result<usize, PoolError> {
        let segments = self.offsets.len().checked_sub(1).ok_or(PoolError::Offsets)?;
        let end = self.column.checked_add(self.dim).ok_or(PoolError::Shape)?;
        if self.dim == 0 || end > self.width || rows % self.width != 0 {
            return Err(PoolError::Shape);
        }
        if segments.checked_mul(self.dim) != Some(pooled) {
            return Err(PoolError::Shape);
        }
        let slots = self.combiners.len();
        let coded = self.combiners.iter().all(|&code| Combiner::decode(code).is_some());
        if !coded || slots == 0 || segments % slots != 0 {
            return Err(PoolError::Combiner);
        }
        let ascending = self.offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascending || self.offsets[segments] as usize > self.inverse.len() {
            return Err(PoolError::Offsets);
        }
        let unique = rows / self.width;
        if self.inverse.iter().any(|&position| position as usize >= unique) {
            return Err(PoolError::Position);
        }
        Ok(segments)
    }

    /// The positions and combiner of segment k, cut to what the combiner reads.
    #[inline(always)]
    fn segment(&self, k: usize, slot: usize) -> (&[u32], Combiner) {
        let positions = &self.inverse[self.offsets[k] as usize..self.offsets[k + 1] as usize];
        match Combiner::decode(self.combiners[slot]).expect("codes are checked") {
            Combiner::First => (&positions[..positions.len().min(1)], Combiner::First),
            combiner => (positions, combiner),
        }
    }

    #[inline(always)]
    fn columns_of(&self, position: u32) -> core::ops::Range<usize> {
        let start = position as usize * self.width + self.column;
        start..start + self.dim
    }
}

/// Pools `rows [unique, width]` into `pooled [segments, dim]`; an empty segment gives zeros.
pub fn pool(shape: &PoolShape, rows: &[f32], pooled: &mut [f32]) -> Result<(), PoolError> {
    shape.check(rows.len(), pooled.len())?;
    let slots = shape.combiners.len();
    for (k, out) in pooled.chunks_exact_mut(shape.dim).enumerate() {
        let (positions, combiner) = shape.segment(k, k % slots);
        let Some((&first, rest)) = positions.split_first() else {
            out.fill(0.0);
            continue;
        };
        out.copy_from_slice(&rows[shape.columns_of(first)]);
        if rest.is_empty() {
            continue;
        }
        for &position in rest {
            add(out, &rows[shape.columns_of(position)]);
        }
        if combiner != Combiner::Sum {
            divide(out, combiner.divisor(positions.len()));
        }
    }
    Ok(())
}

/// Adds the gradient of [`pool`]: `pooled_gradient [segments, dim]` onto `row_gradients [unique, width]`.
pub fn pool_gradient(
    shape: &PoolShape,
    pooled_gradient: &[f32],
    row_gradients: &mut [f32],
) -> Result<(), PoolError> {
    shape.check(row_gradients.len(), pooled_gradient.len())?;
    let slots = shape.combiners.len();
    for (k, gradient) in pooled_gradient.chunks_exact(shape.dim).enumerate() {
        let (positions, combiner) = shape.segment(k, k % slots);
        let share = 1.0 / combiner.divisor(positions.len().max(1));
        for &position in positions {
            add_scaled(&mut row_gradients[shape.columns_of(position)], gradient, share);
        }
    }
    Ok(())
}

/// Sums rows that share a position: `values [inverse.len(), width]` into `sums [unique, width]`, in order.
pub fn sum_by_inverse(
    width: usize,
    inverse: &[u32],
    values: &[f32],
    sums: &mut [f32],
) -> Result<(), PoolError> {
    if width == 0 || inverse.len().checked_mul(width) != Some(values.len()) {
        return Err(PoolError::Shape);
    }
    if sums.len() % width != 0 {
        return Err(PoolError::Shape);
    }
    let unique = sums.len() / width;
    if inverse.iter().any(|&position| position as usize >= unique) {
        return Err(PoolError::Position);
    }
    sums.fill(0.0);
    for (value, &position) in values.chunks_exact(width).zip(inverse) {
        let start = position as usize * width;
        add(&mut sums[start..start + width], value);
    }
    Ok(())
}

/// `to += from`.
#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    add_scaled(to, from, 1.0);
}

/// `to += factor · from`.
#[inline(always)]
fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    let mut to_vectors = to.chunks_exact_mut(4);
    let mut from_vectors = from.chunks_exact(4);
    for (to, from) in (&mut to_vectors).zip(&mut from_vectors) {
        let to: &mut [f32; 4] = to.try_into().expect("four floats");
        let scaled = F32x4::load(from.try_into().expect("four floats")).mul(F32x4::splat(factor));
        F32x4::load(to).add(scaled).store(to);
    }
    for (to, from) in to_vectors.into_remainder().iter_mut().zip(from_vectors.remainder()) {
        *to += from * factor;
    }
}

/// `to /= divisor`.
#[inline(always)]
fn divide(to: &mut [f32], divisor: f32) {
    let mut vectors = to.chunks_exact_mut(4);
    for to in &mut vectors {
        let to: &mut [f32; 4] = to.try_into().expect("four floats");
        F32x4::load(to).div(F32x4::splat(divisor)).store(to);
    }
    for value in vectors.into_remainder() {
        *value /= divisor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape<'a>(
        dim: usize,
        inverse: &'a [u32],
        offsets: &'a [u32],
        combiners: &'a [u8],
    ) -> PoolShape<'a> {
        PoolShape { width: dim, column: 0, dim, inverse, offsets, combiners }
    }

    #[test]
    fn each_combiner_pools_as_named_and_an_empty_segment_gives_zeros() {
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let inverse = [0, 1, 2, 3];
        for (code, expected) in
            [(0, [16.0, 20.0]), (1, [4.0, 5.0]), (2, [8.0, 10.0]), (3, [1.0, 2.0])]
        {
            let mut pooled = [f32::NAN; 4];
            pool(&shape(2, &inverse, &[0, 4, 4], &[code]), &rows, &mut pooled).unwrap();
            assert_eq!(pooled, [expected[0], expected[1], 0.0, 0.0]);
        }
    }

    #[test]
    fn the_gradient_returns_each_id_its_share() {
        let inverse = [0, 1, 0, 1];
        for (code, expected) in [(0, [2.0, 2.0]), (1, [0.5, 0.5]), (2, [1.0, 1.0]), (3, [1.0, 0.0])]
        {
            let mut gradients = [0.0; 2];
            pool_gradient(&shape(1, &inverse, &[0, 4], &[code]), &[1.0], &mut gradients).unwrap();
            assert_eq!(gradients, expected);
        }
    }

    #[test]
    fn vector_loops_equal_their_scalar_twins_to_the_bit() {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 251.0 - 2.0;
        for length in 0..68 {
            for start in 0..4 {
                let from: Vec<f32> = (0..start + length).map(value).collect();
                let to: Vec<f32> = (0..start + length).map(|i| value(i + 500)).collect();
                let (mut added, mut divided) = (to.clone(), to.clone());
                add_scaled(&mut added[start..], &from[start..], 0.3);
                divide(&mut divided[start..], 0.7);
                for i in start..start + length {
                    assert_eq!(added[i].to_bits(), (to[i] + from[i] * 0.3).to_bits());
                    assert_eq!(divided[i].to_bits(), (to[i] / 0.7).to_bits());
                }
            }
        }
    }

    #[test]
    fn rows_of_one_position_are_summed() {
        let mut sums = [f32::NAN; 4];
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(sum_by_inverse(2, &[1, 0, 1], &values, &mut sums), Ok(()));
        assert_eq!(sums, [3.0, 4.0, 6.0, 8.0]);
        assert_eq!(sum_by_inverse(2, &[1, 2, 1], &values, &mut sums), Err(PoolError::Position));
        assert_eq!(sum_by_inverse(4, &[0], &values, &mut sums), Err(PoolError::Shape));
        assert_eq!(sum_by_inverse(0, &[], &[], &mut sums), Err(PoolError::Shape));
    }

    #[test]
    fn malformed_batches_are_refused() {
        let rows = [0.0; 6];
        let run = |width, column, dim, inverse: &[u32], offsets: &[u32], combiners: &[u8]| {
            let shape = PoolShape { width, column, dim, inverse, offsets, combiners };
            pool(&shape, &rows, &mut vec![0.0; 2 * dim])
        };
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 1, 2], &[0]), Ok(()));
        assert_eq!(run(2, 1, 2, &[0, 2], &[0, 1, 2], &[0]), Err(PoolError::Shape));
        assert_eq!(run(4, 0, 2, &[0, 2], &[0, 1, 2], &[0]), Err(PoolError::Shape));
        assert_eq!(run(2, usize::MAX, 2, &[0, 2], &[0, 1, 2], &[0]), Err(PoolError::Shape));
        assert_eq!(run(2, 0, 2, &[0, 3], &[0, 1, 2], &[0]), Err(PoolError::Position));
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 2, 1], &[0]), Err(PoolError::Offsets));
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 1, 3], &[0]), Err(PoolError::Offsets));
        assert_eq!(run(2, 0, 2, &[0, 2], &[], &[0]), Err(PoolError::Offsets));
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 1, 2], &[4]), Err(PoolError::Combiner));
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 1, 2], &[]), Err(PoolError::Combiner));
        assert_eq!(run(2, 0, 2, &[0, 2], &[0, 1, 2], &[0, 0, 0]), Err(PoolError::Combiner));
    }
}
