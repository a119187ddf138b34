//! Faults two by two.

use serde::Serialize;

use crate::FormatError;
use crate::style::Style;
use crate::table::elapsed;
use crate::text::{count, line};
use touchstone_model::{CaseId, CaseResult, Verdict};

/// The schema of [`Pairs`] in JSON.
const SCHEMA: &str = "touchstone/pairs/1";

/// Whether every fault is told beside another one.
#[derive(Debug, Serialize)]
pub struct PairsProof {
    /// The schema.
    pub schema: &'static str,
    /// Whether no fault is silenced.
    pub proven: bool,
    /// By what the pairs were drawn.
    pub seed: u64,
    /// How many there were.
    pub pairs: usize,
    /// Cases that were run.
    pub run: usize,
    /// How long it took.
    pub duration_ms: u64,
    /// Faults none of whose cases fails, and nothing says why.
    pub silenced: Vec<Shadow>,
    /// Faults none of whose cases fails, for the other one keeps them from judging, and they say so.
    pub overshadowed: Vec<Shadow>,
}

/// A fault beside another one.
#[derive(Debug, Serialize)]
pub struct Shadow {
    /// The fault that is not told.
    pub fault: String,
    /// The other one.
    pub beside: String,
    /// The cases that have to tell it.
    pub cases: Vec<Judged>,
    /// Those of the other one that failed.
    pub told: Vec<CaseId>,
}

/// How a case ended.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The case.
    pub case: CaseId,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it is so, as far as the run tells.
    pub why: Option<String>,
}

impl Judged {
    /// What came of it.
    pub fn of(result: &CaseResult) -> Self {
        Self {
            case: result.case.clone(),
            verdict: result.verdict,
            why: result.reason.clone(),
        }
    }

    /// Whether it is not decided, and says why.
    fn undecided(&self) -> bool {
        matches!(self.verdict, Verdict::Error | Verdict::Skip) && self.why.is_some()
    }

    /// Whether it is not decided because of that case.
    fn refers_to(&self, case: &CaseId) -> bool {
        let why = self.why.as_deref().unwrap_or_default();
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let mut words = why.split(|c| !inner(c));
        self.undecided() && words.any(|word| word == case.as_str())
    }
}

/// A fault with what its cases said.
#[derive(Debug)]
pub struct Fared {
    /// Its name.
    pub fault: String,
    /// The cases that have to tell it.
    pub cases: Vec<Judged>,
}

impl Fared {
    fn failed(&self) -> impl Iterator<Item = &CaseId> {
        let failed = self
            .cases
            .iter()
            .filter(|judged| judged.verdict == Verdict::Fail);
        failed.map(|judged| &judged.case)
    }
}

/// Both of a pair.
#[derive(Debug)]
pub struct Both(pub [Fared; 2]);

impl PairsProof {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self {
            schema: SCHEMA,
            proven: true,
            seed,
            pairs: 0,
            run: 0,
            duration_ms: 0,
            silenced: Vec::new(),
            overshadowed: Vec::new(),
        }
    }

    /// Takes a pair in.
    pub fn take(&mut self, both: Both) {
        self.pairs += 1;
        let [one, other] = &both.0;
        for (fault, beside) in [(one, other), (other, one)] {
            if fault.failed().next().is_some() {
                continue;
            }
            let told: Vec<_> = beside.failed().cloned().collect();
            // Nothing looks good, or what was not decided is put down to what failed.
            let excused = fault.cases.iter().all(Judged::undecided)
                || told
                    .iter()
                    .any(|case| fault.cases.iter().any(|judged| judged.refers_to(case)));
            let shadow = Shadow {
                fault: fault.fault.clone(),
                beside: beside.fault.clone(),
                cases: fault.cases.clone(),
                told,
            };
            if excused {
                self.overshadowed.push(shadow);
            } else {
                self.silenced.push(shadow);
            }
        }
        self.proven = self.silenced.is_empty();
    }

    /// All of it as pretty JSON.
    ///
    /// # Errors
    /// None that is known; serde may have one.
    pub fn json(&self) -> Result<String, FormatError> {
        serde_json::to_string_pretty(self)
            .map(|json| crate::text::json(json) + "\n")
            .map_err(|error| FormatError::new("JSON", error))
    }

    /// For people.
    pub fn table(&self, style: Style) -> String {
        let mut text = String::new();
        for (heading, shadows) in [
            (
                "Kept from being judged by another one, as their cases say",
                &self.overshadowed,
            ),
            (
                "Silenced by another one; this list has to be empty",
                &self.silenced,
            ),
        ] {
            text += &style.bold(&format!("{heading}: {}", shadows.len()));
            text += "\n";
            for shadow in shadows {
                text += &shown(shadow);
            }
        }
        let rate = format!(
            "{} and {} in {}, seed {}",
            count(self.pairs, "pair"),
            count(self.run, "verdict"),
            elapsed(self.duration_ms),
            self.seed
        );
        let end = match self.proven {
            true => style.green(&format!("Proven: {rate}")),
            false => style.red(&format!("Not proven: {rate}")),
        };
        text + &end + "\n"
    }
}

fn shown(shadow: &Shadow) -> String {
    let mut text = format!(
        "  {}, beside {}\n",
        line(&shadow.fault),
        line(&shadow.beside)
    );
    for judged in &shadow.cases {
        let why = judged.why.as_deref().map(line).unwrap_or_default();
        let told = format!(
            "    {}  {}  {why}",
            judged.verdict.as_str(),
            line(judged.case.as_str())
        );
        text += told.trim_end();
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fared(fault: &str, cases: &[(&str, Verdict, Option<&str>)]) -> Fared {
        let judged = cases.iter().map(|(case, verdict, why)| Judged {
            case: case.parse().unwrap(),
            verdict: *verdict,
            why: why.map(str::to_owned),
        });
        Fared {
            fault: fault.to_owned(),
            cases: judged.collect(),
        }
    }

    fn pairs(both: impl IntoIterator<Item = [Fared; 2]>) -> PairsProof {
        let mut pairs = PairsProof::new(7);
        for both in both {
            pairs.take(Both(both));
        }
        pairs
    }

    const WHY: Option<&str> = Some("the control was answered 500");

    #[test]
    fn a_fault_is_told_by_one_of_its_cases() {
        let told = pairs([[
            fared(
                "a",
                &[
                    ("x.one", Verdict::Pass, None),
                    ("x.two", Verdict::Fail, None),
                ],
            ),
            fared("b", &[("x.three", Verdict::Fail, None)]),
        ]]);
        assert!(told.proven);
        assert_eq!((told.pairs, told.silenced.len()), (1, 0));
        assert!(
            told.table(Style::Plain).contains("Proven: 1 pair and"),
            "{}",
            told.table(Style::Plain)
        );
    }

    #[test]
    fn a_fault_that_cannot_be_judged_is_excused_by_one_that_is_told() {
        let undecided = || {
            fared(
                "a",
                &[
                    ("x.one", Verdict::Error, WHY),
                    ("x.two", Verdict::Skip, WHY),
                ],
            )
        };
        let told = || fared("b", &[("x.three", Verdict::Fail, None)]);
        let excused = pairs([[undecided(), told()]]);
        assert!(excused.proven);
        assert_eq!(excused.overshadowed[0].fault, "a");
        assert_eq!(excused.overshadowed[0].told.len(), 1);
        // Of two that let nothing be judged neither looks good.
        let none = pairs([[undecided(), fared("b", &[("x.three", Verdict::Error, WHY)])]]);
        assert_eq!((none.silenced.len(), none.overshadowed.len()), (0, 2));
        // One case says what the other fault did, by the case that failed.
        for (why, excused) in [
            ("cannot be judged (see x.three)", true),
            ("cannot be judged (see x.three-more)", false),
        ] {
            let fault = [
                ("x.one", Verdict::Error, Some(why)),
                ("x.two", Verdict::Pass, None),
            ];
            assert_eq!(pairs([[fared("a", &fault), told()]]).proven, excused);
        }
        // Who does not say why is not excused, and neither is a fault that looks good.
        for (verdict, why) in [(Verdict::Error, None), (Verdict::Pass, WHY)] {
            let silent = fared(
                "a",
                &[("x.one", verdict, why), ("x.two", Verdict::Skip, WHY)],
            );
            let silenced = pairs([[silent, told()]]);
            assert!(!silenced.proven);
            let text = silenced.table(Style::Plain);
            assert!(
                text.contains("  a, beside b\n") && text.contains("Not proven: 1 pair"),
                "{text}"
            );
            let json: serde_json::Value = serde_json::from_str(&silenced.json().unwrap()).unwrap();
            assert_eq!(json["seed"], 7);
            assert_eq!(json["silenced"][0]["beside"], "b");
            assert_eq!(json["silenced"][0]["cases"][0]["case"], "x.one");
        }
    }
}
