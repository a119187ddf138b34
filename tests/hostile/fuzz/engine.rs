//! Inputs from the corpus, mutated and generated, and what happens when one fails.

use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sha2::{Digest, Sha256};

use super::mutate::{Mutator, Random};
use crate::common::waiting::HANGS;

/// Inputs that had an outcome of their own are mutated further; so many of them.
const POOL: usize = 2_000;

/// Something that reads what others wrote.
pub struct Target<'a> {
    /// The folder of its corpus.
    pub name: &'a str,
    /// Further inputs to start from, such as the project's own files.
    pub seeds: Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'a [&'a str],
    /// A regular expression from which inputs are generated.
    pub grammar: &'a str,
    /// Inputs that are tried, unless the environment says how many.
    pub inputs: usize,
    /// Bytes of an input.
    pub longest: usize,
}

impl Target<'_> {
    /// Tries `check` on all inputs. It panics where something is wrong, and otherwise says in a few words what
    /// came of the input: one with a new outcome is mutated further.
    pub fn fuzz(&self, check: impl Fn(&[u8]) -> String) {
        let folder = corpus().join(self.name);
        let mut pool = read(&folder);
        assert!(!pool.is_empty(), "the corpus of {} is there", self.name);
        pool.extend(self.seeds.iter().cloned());
        let mut seen = HashSet::new();
        let try_one = |input: &[u8]| self.try_one(&folder, input, &check);
        for input in &pool {
            seen.insert(try_one(input));
        }
        let seed = number("TOUCHSTONE_FUZZ_SEED").unwrap_or(1) as u64;
        let mut random = Random::new(seed);
        let mutator = Mutator {
            words: self.words,
            longest: self.longest,
        };
        let mut generated = Generated::new(self.grammar, seed);
        let inputs = number("TOUCHSTONE_FUZZ").unwrap_or(self.inputs);
        for index in 0..inputs {
            let input = match index % 16 {
                0 => generated.next(),
                1 => mutator.mutate(&mut random, &generated.next(), &pool),
                _ => {
                    let from = random.below(pool.len());
                    mutator.mutate(&mut random, &pool[from], &pool)
                }
            };
            if seen.insert(try_one(&input)) && pool.len() < POOL {
                pool.push(input);
            }
        }
        #[expect(
            clippy::print_stdout,
            reason = "whoever lets it run for long wants to know"
        )]
        {
            println!("{}: {inputs} inputs, {} outcomes", self.name, seen.len());
        }
    }

    fn try_one(&self, folder: &Path, input: &[u8], check: &impl Fn(&[u8]) -> String) -> u64 {
        // An overflowing stack or a killed process leaves nothing else to tell by.
        let last = std::env::var_os("TOUCHSTONE_FUZZ_LAST").map(PathBuf::from);
        if let Some(last) = last {
            std::fs::write(last.join(self.name), input).expect("the last input");
        }
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(input)));
        let took = begun.elapsed();
        let wrong = match outcome {
            Ok(outcome) if took < HANGS => return class(&outcome),
            Ok(_) => format!("it hangs: it took {took:?}"),
            Err(panic) => message(panic.as_ref()),
        };
        let place = keep(folder, input);
        panic!("{}: {wrong}\nthe input is {}", self.name, place.display());
    }
}

/// Texts of a grammar, the same for the same seed.
struct Generated {
    runner: TestRunner,
    strategy: proptest::string::RegexGeneratorStrategy<String>,
}

impl Generated {
    fn new(grammar: &str, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            runner: TestRunner::new_with_rng(Config::default(), random),
            strategy: proptest::string::string_regex(grammar).expect("a regular expression"),
        }
    }

    fn next(&mut self) -> Vec<u8> {
        let tree = self.strategy.new_tree(&mut self.runner);
        tree.expect("a text").current().into_bytes()
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Every file of a folder, in the order of the names.
fn read(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let bytes = paths.iter().map(std::fs::read);
    bytes.map(|bytes| bytes.expect("an input")).collect()
}

/// Writes a failing input to the corpus, under a name of its content.
fn keep(folder: &Path, input: &[u8]) -> PathBuf {
    let digest = Sha256::digest(input);
    let hash: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = folder.join(format!("found-{hash}"));
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(&path, input).expect("the input");
    path
}

/// What kind of outcome it is: numbers and names in it make no new one.
fn class(outcome: &str) -> u64 {
    let letters = outcome.bytes().take(400).filter(u8::is_ascii_alphabetic);
    letters.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}
