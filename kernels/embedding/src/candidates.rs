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
mod tests {
    use super::*;

    struct Random(u32);

    impl Random {
        fn next(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    fn filled(dim: usize, count: usize, random: &mut Random) -> (Candidates, Vec<Vec<f32>>) {
        let mut candidates = Candidates::new(dim, count);
        assert!(candidates.reserve(count));
        let vectors: Vec<Vec<f32>> =
            (0..count).map(|_| (0..=dim).map(|_| random.next()).collect()).collect();
        for (index, vector) in vectors.iter().enumerate() {
            candidates.write(index, &vector[..dim], vector[dim]);
        }
        (candidates, vectors)
    }

    #[test]
    fn the_search_finds_the_items_of_an_exact_search_up_to_the_codes_error() {
        let mut random = Random(7);
        for dim in [1, 5, 16, 33, DIM_MAX] {
            let (candidates, vectors) = filled(dim, 300, &mut random);
            let query: Vec<f32> = (0..dim).map(|_| random.next()).collect();
            let exact = |index: usize| {
                let products = vectors[index].iter().zip(&query).map(|(a, b)| a * b);
                products.sum::<f32>() + vectors[index][dim]
            };
            let (mut indices, mut scores) = (vec![0; 20], vec![0.0; 20]);
            let mask = vec![u32::MAX; 10];
            let order = Order::InnerProduct;
            assert_eq!(candidates.search(&query, &mask, order, &mut indices, &mut scores), 20);
            let bound = query.iter().map(|x| x.abs()).sum::<f32>() * (0.5 / 127.0 + 1e-4) + 1e-5;
            for (index, score) in indices.iter().zip(&scores) {
                assert!((exact(*index as usize) - score).abs() <= bound);
            }
            assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
            let worst = scores[19];
            for index in 0..300 {
                assert!(indices.contains(&(index as u32)) || exact(index) <= worst + bound);
            }
        }
    }

    #[test]
    fn the_simd_product_is_the_scalar_one() {
        let mut random = Random(11);
        for blocks in 1..=DIM_MAX / LANES {
            let item: Vec<i8> =
                (0..LANES * blocks).map(|_| (random.next() * 127.0).round() as i8).collect();
            let query: Vec<i16> =
                (0..LANES * blocks).map(|_| (random.next() * QUERY_MAX).round() as i16).collect();
            assert_eq!(inner_product(&item, &query), inner_product_scalar(&item, &query));
        }
        let (item, query) = (vec![-127; DIM_MAX], vec![QUERY_MAX as i16; DIM_MAX]);
        assert_eq!(inner_product(&item, &query), inner_product_scalar(&item, &query));
    }

    #[test]
    fn the_mask_decides_which_items_are_visited() {
        let (candidates, _) = filled(8, 70, &mut Random(3));
        let (mut indices, mut scores) = (vec![0; 100], vec![0.0; 100]);
        let query = [1.0; 8];
        let mask = [1 << 4, 0, 0b11 | 1 << 31];
        let order = Order::InnerProduct;
        let found = candidates.search(&query, &mask, order, &mut indices, &mut scores);
        let mut found = indices[..found].to_vec();
        found.sort_unstable();
        assert_eq!(found, [4, 64, 65], "index 95 is past the end");
        assert_eq!(candidates.search(&query, &[], order, &mut indices, &mut scores), 0);
        let none = candidates.search(&query, &mask, order, &mut [], &mut []);
        assert_eq!(none, 0);
    }

    #[test]
    fn a_cosine_does_not_depend_on_lengths_and_equal_scores_keep_the_order_of_indices() {
        let mut candidates = Candidates::new(2, 5);
        assert!(candidates.reserve(5));
        for (index, vector) in
            [[1.0, 0.0], [100.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]].iter().enumerate()
        {
            candidates.write(index, vector, 9.0);
        }
        let (mut indices, mut scores) = (vec![0; 5], vec![0.0; 5]);
        let order = Order::Cosine;
        let found = candidates.search(&[0.5, 0.0], &[u32::MAX], order, &mut indices, &mut scores);
        assert_eq!((found, indices), (5, vec![0, 1, 2, 4, 3]));
        for (score, expected) in scores.iter().zip([1.0, 1.0, 0.0, 0.0, -1.0]) {
            assert!((score - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_count_as_zero() {
        let mut candidates = Candidates::new(2, 3);
        assert!(candidates.reserve(3));
        candidates.write(0, &[f32::NAN, 1.0], f32::NAN);
        candidates.write(1, &[f32::INFINITY, f32::NEG_INFINITY], f32::INFINITY);
        candidates.write(2, &[1e-45, 0.0], 0.5);
        let (mut indices, mut scores) = (vec![0; 3], vec![0.0; 3]);
        let query = [f32::NAN, 2.0];
        let order = Order::InnerProduct;
        candidates.search(&query, &[u32::MAX], order, &mut indices, &mut scores);
        assert_eq!(indices, [0, 2, 1]);
        assert!(scores.iter().all(|score| score.is_finite()));
    }
}
