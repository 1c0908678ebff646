/// Words that stand in what is read here, so that a mutation meets a rule now and then.
const WORDS: &[&[u8]] = &[
    b"[",
    b"]",
    b"(",
    b")",
    b" and ",
    b" or ",
    b"\"",
    b"\\u0000",
    b"{",
    b"}",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\n[[group]]\n",
    b"\n[[group.resource]]\n",
    b"name = ",
    b"common = {",
    b"'''",
    b"\0\0",
    b"\xFF\xFF\xFF\xFF",
    b"\xFF\xFF\xFF\x7F",
    b"\x03\0\x04\0",
    b"\0\0\0\x80",
    b"\xD8\0",
    b"\xC3\xA4",
    b"hex",
];

/// The longest input that is made of others.
const LONGEST: usize = 64 << 10;

/// Xorshift: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    let end = at + numbers.below(bytes.len() + 1 - at);
    match numbers.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        1 if at < bytes.len() => bytes[at] = numbers.next() as u8,
        2 => {
            bytes.drain(at..end);
        }
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => bytes.truncate(at),
        5 => {
            let other = &seeds[numbers.below(seeds.len())];
            let from = numbers.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        6 => {
            let word = WORDS[numbers.below(WORDS.len())];
            let over = (at + word.len()).min(bytes.len());
            bytes.splice(at..over, word.iter().copied());
        }
        _ => {
            let word = WORDS[numbers.below(WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
    }
    bytes.truncate(LONGEST);
}

/// So many inputs made from `seeds` by small changes; the same ones for the same `seed`, which must not be 0.
///
/// # Panics
/// When there are no seeds.
pub fn mutations(seeds: &[Vec<u8>], seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
    assert!(!seeds.is_empty(), "there is nothing to change");
    let mut numbers = Numbers(seed);
    (0..count).map(move |_| {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..=numbers.below(6) {
            mutate(&mut bytes, seeds, &mut numbers);
        }
        bytes
    })
}
