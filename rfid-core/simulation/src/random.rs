//! Random numbers that are the same everywhere and always.

/// A stream of numbers from a seed: SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom
/// Number Generators*, 2014).
///
/// Written here and not taken from a crate, since a seed must mean the same day in every later
/// version, and these are ten lines. For the same reason nothing is computed with functions whose
/// last digit depends on the machine's library, such as logarithms.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Stream number `stream` of this seed. What one person draws moves nobody else's numbers.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        Self(mixed.next() ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and not including 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A number from `low` up to and not including `high`, all alike; `low` if there is none.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + (self.fraction() * f64::from(high.saturating_sub(low))) as u32
    }

    /// About normally distributed around 0: the sum of four numbers that are all alike.
    pub(crate) fn spread(&mut self, deviation: f64) -> f64 {
        // A number from 0 to 1 has a variance of 1/12, four of them have 1/3.
        let sum: f64 = (0..4).map(|_| self.fraction() - 0.5).sum();
        sum * 3f64.sqrt() * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        let mut random = Random(1_234_567);
        // The first three numbers of the reference implementation for this seed.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
    }

    #[test]
    fn streams_of_a_seed_differ() {
        assert_ne!(Random::new(1, 1).next(), Random::new(1, 2).next());
        assert_ne!(Random::new(1, 1).next(), Random::new(2, 1).next());
    }

    #[test]
    fn numbers_keep_their_bounds_and_their_mean() {
        let mut random = Random::new(1, 0);
        let drawn: Vec<u32> = (0..10_000).map(|_| random.between(10, 20)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&10), Some(&19)));
        let mean = drawn.iter().sum::<u32>() as f64 / 10_000.0;
        assert!((mean - 14.5).abs() < 0.1, "{mean}");
        let squares: f64 = (0..10_000).map(|_| random.spread(3.0).powi(2)).sum();
        assert!((squares / 10_000.0 - 9.0).abs() < 0.5, "{squares}");
        assert_eq!(random.between(5, 5), 5);
    }
}
