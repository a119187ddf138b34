//! Small and large damage to an input.

/// Numbers that repeat (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A place in a text of that length, its end included.
    fn place(&mut self, length: usize) -> usize {
        self.below(length + 1)
    }

    /// Two places in order.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let (a, b) = (self.place(length), self.place(length));
        let (from, to) = (a.min(b), a.max(b));
        // Mostly short ones.
        match self.below(3) {
            0 => (from, to),
            _ => (from, to.min(from + 1 + self.below(32)).min(length)),
        }
    }
}

/// What is at the edge of some type or format.
const NUMBERS: [&str; 22] = [
    "0",
    "-1",
    "1",
    "-0",
    "127",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-1e-999",
    "0.1",
];
/// Bytes that mean something in some format, or in none.
const BYTES: [&[u8]; 20] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\x1b[31m",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "e\u{301}".as_bytes(),
    "ß".as_bytes(),
    b"%00",
    b"%2e%2e",
    b"]]>",
    b"\t",
];
/// What can stand inside itself.
const NESTS: [(&str, &str); 9] = [
    ("[", "]"),
    ("{\"a\":", "}"),
    ("<a>", "</a>"),
    ("(", ")"),
    ("- ", ""),
    ("{a: ", "}"),
    ("\"", "\""),
    ("? ", ""),
    ("<D:response xmlns:D=\"DAV:\">", "</D:response>"),
];

/// Damages inputs of one format.
pub struct Mutator<'a> {
    pub words: &'a [&'a str],
    pub longest: usize,
}

impl Mutator<'_> {
    /// One to eight changes to `input`, some of them from others.
    pub fn mutate(&self, random: &mut Random, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..1 + random.below(8).min(random.below(8)) {
            self.change(random, &mut bytes, others);
            bytes.truncate(self.longest);
        }
        bytes
    }

    fn change(&self, random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = random.place(bytes.len());
        let (from, to) = random.range(bytes.len());
        match random.below(14) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(from..to)),
            4 => {
                let piece = bytes[from..to].repeat(1 + random.below(4));
                insert(bytes, to, &piece);
            }
            5 => {
                let most = self.longest / (to - from).max(1);
                let piece = bytes[from..to].repeat(random.below(most.max(1)));
                insert(bytes, to, &piece);
            }
            6 | 7 => {
                let other = &others[random.below(others.len())];
                let (start, end) = random.range(other.len());
                bytes.splice(from..to, other[start..end].iter().copied());
            }
            8 if !self.words.is_empty() => {
                let word = self.words[random.below(self.words.len())];
                insert(bytes, at, word.as_bytes());
            }
            9 if !self.words.is_empty() => {
                let word = self.words[random.below(self.words.len())];
                bytes.splice(from..to, word.bytes());
            }
            10 => insert(bytes, at, BYTES[random.below(BYTES.len())]),
            11 => number(random, bytes),
            12 => {
                let (open, close) = NESTS[random.below(NESTS.len())];
                let depth = match random.below(8) {
                    0 => self.longest / (open.len() + close.len()) / 2,
                    _ => 1 + random.below(200),
                };
                insert(bytes, to, close.repeat(depth).as_bytes());
                insert(bytes, from, open.repeat(depth).as_bytes());
            }
            _ => line(random, bytes),
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Puts an extreme in the place of a number.
fn number(random: &mut Random, bytes: &mut Vec<u8>) {
    let digits: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_digit()))
        .collect();
    if digits.is_empty() {
        return;
    }
    let from = digits[random.below(digits.len())];
    let length = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let extreme = NUMBERS[random.below(NUMBERS.len())];
    bytes.splice(from..from + length, extreme.bytes());
}

/// Doubles, drops or moves a line.
fn line(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let from = random.below(lines.len());
    let line = match random.below(2) {
        0 => lines[from],
        _ => lines.remove(from),
    };
    if random.below(3) > 0 {
        lines.insert(random.place(lines.len()), line);
    }
    *bytes = lines.concat();
}
