//! Vectors of candidate items, eight bits a number, and the search for the greatest inner products
//! with a query.
//!
//! The search visits every item that a mask allows. An item's score is
//! `scale · ⟨codes, query⟩ + bias`, or the cosine. The query has sixteen bits a number, so the
//! error comes from the items' codes alone: at most half a scale a number.

/// Greatest magnitude of a query's number. With it the sum of 512 products stays below 2³¹.
const QUERY_MAX: f32 = 16_383.0;
/// Maximum width of a vector.
pub const DIM_MAX: usize = 512;
/// Codes are padded to whole SIMD registers.
const LANES: usize = 16;

/// The order of a search.
#[derive(Clone, Copy, PartialEq)]
pub enum Order {
    /// Inner product plus bias.
    InnerProduct,
    /// Cosine, without bias.
    Cosine,
}

/// Vectors by index.
pub struct Candidates {
    /// Numbers of a vector.
    pub dim: usize,
    stride: usize,
    /// Upper bound of indices.
    pub count_max: usize,
    codes: Vec<i8>,
    /// Factor of the codes' inner product, and bias, of each index.
    scales: Vec<f32>,
    biases: Vec<f32>,
    /// One over the norm of the decoded vector; 0 for a vector of zeros.
    inverse_norms: Vec<f32>,
}

impl Candidates {
    /// No vectors yet, at most `count_max`.
    pub fn new(dim: usize, count_max: usize) -> Candidates {
        let stride = dim.next_multiple_of(LANES);
        let (codes, scales, biases, inverse_norms) = Default::default();
        Candidates { dim, stride, count_max, codes, scales, biases, inverse_norms }
    }

    /// Number of indices in use.
    pub fn count(&self) -> usize {
        self.scales.len()
    }

    /// Makes room for indices below `count`; false if memory is short.
    pub fn reserve(&mut self, count: usize) -> bool {
        let missing = count.saturating_sub(self.count());
        if missing == 0 {
            return true;
        }
        // By an eighth more, so that items that come one by one move the arrays rarely.
        let room = (missing + count / 8).min(self.count_max - self.count());
        let lists = [&mut self.scales, &mut self.biases, &mut self.inverse_norms];
        if self.codes.try_reserve_exact(room * self.stride).is_err()
            || lists.into_iter().any(|list| list.try_reserve_exact(room).is_err())
        {
            return false;
        }
        self.codes.resize(count * self.stride, 0);
        self.scales.resize(count, 0.0);
        self.biases.resize(count, 0.0);
        self.inverse_norms.resize(count, 0.0);
        true
    }

    /// Replaces the vector of an index below `count()`. Numbers that are not finite count as 0.
    pub fn write(&mut self, index: usize, vector: &[f32], bias: f32) {
        let codes = &mut self.codes[index * self.stride..][..self.dim];
        let greatest = vector.iter().fold(0.0_f32, |greatest, x| greatest.max(finite(*x).abs()));
        let scale = greatest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let inverse = finite(inverse);
        let mut squares = 0.0_f32;
        for (code, &value) in codes.iter_mut().zip(vector) {
            let rounded = (finite(value) * inverse).round_ties_even();
            *code = rounded as i8;
            squares += rounded * rounded;
        }
        let norm = squares.sqrt() * scale;
        self.scales[index] = if inverse == 0.0 { 0.0 } else { scale };
        self.biases[index] = finite(bias);
        self.inverse_norms[index] = if norm > 0.0 { finite(1.0 / norm) } else { 0.0 };
    }

    /// The best items that the mask allows, the best first, with their scores; equal scores in the
    /// order of the indices.
    ///
    /// Bit i of the mask allows index i; indices past its end are not visited. Writes at most
    /// `indices.len()` items and returns how many.
    pub fn search(
        &self,
        query: &[f32],
        mask: &[u32],
        order: Order,
        indices: &mut [u32],
        scores: &mut [f32],
    ) -> usize {
        let mut codes = [0_i16; DIM_MAX];
        let query_scale = encode_query(query, &mut codes);
        let codes = &codes[..self.stride];
        let mut best = Best::new(indices, scores);
        for (word, &bits) in mask.iter().enumerate() {
            let mut bits = bits;
            while bits != 0 {
                let index = 32 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if index >= self.count() {
                    break;
                }
                let items = &self.codes[index * self.stride..][..self.stride];
                let product = inner_product(items, codes) as f32 * self.scales[index];
                let score = match order {
                    Order::InnerProduct => product * query_scale + self.biases[index],
                    Order::Cosine => product * self.inverse_norms[index],
                };
                best.offer(index as u32, score);
            }
        }
        let found = best.sort();
        if order == Order::Cosine {
            let norm = query.iter().map(|x| finite(*x) * finite(*x)).sum::<f32>().sqrt();
            let scale = if norm > 0.0 { query_scale / norm } else { 0.0 };
            scores[..found].iter_mut().for_each(|score| *score *= scale);
        }
        found
    }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() {
        value
    } else {
        0.0
    }
}

/// Writes the query's codes and returns the value of a code of 1.
fn encode_query(query: &[f32], codes: &mut [i16; DIM_MAX]) -> f32 {
    let greatest = query.iter().fold(0.0_f32, |greatest, x| greatest.max(finite(*x).abs()));
    if greatest == 0.0 {
        return 0.0;
    }
    let inverse = finite(QUERY_MAX / greatest);
    for (code, &value) in codes.iter_mut().zip(query) {
        *code = (finite(value) * inverse).round_ties_even() as i16;
    }
    greatest / QUERY_MAX
}

#[cfg(not(target_arch = "wasm32"))]
use inner_product_scalar as inner_product;

/// Both slices have the same length, a multiple of `LANES`.
#[cfg(any(test, not(target_arch = "wasm32")))]
fn inner_product_scalar(item: &[i8], query: &[i16]) -> i32 {
    item.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Both slices have the same length, a multiple of `LANES`.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn inner_product(item: &[i8], query: &[i16]) -> i32 {
    use core::arch::wasm32::*;
    let mut sum = i32x4_splat(0);
    for (item, query) in item.chunks_exact(LANES).zip(query.chunks_exact(LANES)) {
        // SAFETY: sixteen bytes, and twice sixteen; SIMD128 loads need no alignment.
        let (item, low, high) = unsafe {
            let query = query.as_ptr().cast::<v128>();
            (v128_load(item.as_ptr().cast()), v128_load(query), v128_load(query.add(1)))
        };
        sum = i32x4_add(sum, i32x4_dot_i16x8(i16x8_extend_low_i8x16(item), low));
        sum = i32x4_add(sum, i32x4_dot_i16x8(i16x8_extend_high_i8x16(item), high));
    }
    let sum = i32x4_add(sum, i32x4_shuffle::<2, 3, 0, 1>(sum, sum));
    i32x4_extract_lane::<0>(sum) + i32x4_extract_lane::<1>(sum)
}

/// The best items so far: a heap whose root is the worst of them.
struct Best<'a> {
    indices: &'a mut [u32],
    scores: &'a mut [f32],
    length: usize,
}

impl<'a> Best<'a> {
    fn new(indices: &'a mut [u32], scores: &'a mut [f32]) -> Best<'a> {
        Best { indices, scores, length: 0 }
    }

    /// Whether entry a is worse than entry b.
    #[inline(always)]
    fn is_worse(&self, a: usize, b: usize) -> bool {
        self.scores[a] < self.scores[b]
            || self.scores[a] == self.scores[b] && self.indices[a] > self.indices[b]
    }

    /// Indices come in ascending order, so an item that equals the worst one is worse.
    #[inline(always)]
    fn offer(&mut self, index: u32, score: f32) {
        if self.length < self.indices.len() {
            self.indices[self.length] = index;
            self.scores[self.length] = score;
            self.length += 1;
            self.rise(self.length - 1);
        } else if self.length > 0 && score > self.scores[0] {
            self.indices[0] = index;
            self.scores[0] = score;
            self.sink(0, self.length);
        }
    }

    #[inline(never)]
    fn swap(&mut self, a: usize, b: usize) {
        self.indices.swap(a, b);
        self.scores.swap(a, b);
    }

    #[inline(never)]
    fn rise(&mut self, mut entry: usize) {
        while entry > 0 && self.is_worse(entry, (entry - 1) / 2) {
            self.swap(entry, (entry - 1) / 2);
            entry = (entry - 1) / 2;
        }
    }

    #[inline(never)]
    fn sink(&mut self, mut entry: usize, length: usize) {
        loop {
            let mut worst = entry;
            for child in [2 * entry + 1, 2 * entry + 2] {
                if child < length && self.is_worse(child, worst) {
                    worst = child;
                }
            }
            if worst == entry {
                return;
            }
            self.swap(entry, worst);
            entry = worst;
        }
    }

    /// Sorts the entries, the best first, and returns how many there are.
    fn sort(mut self) -> usize {
        for length in (1..self.length).rev() {
            self.swap(0, length);
            self.sink(0, length);
        }
        self.length
    }
}

#[cfg(test)]
mod tests;
