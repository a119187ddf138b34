//! The proof for people.

use crate::style::Style;
use crate::table::elapsed;
use crate::text::{count, line};
use touchstone_model::CaseId;

use super::{FaultRow, MisplacedVerdict, ProofMatrix};

/// Each fault with the cases that caught it, then the lists.
pub fn table(proof: &ProofMatrix, style: Style) -> String {
    let mut text = matrix(&proof.faults, style);
    text += &services(proof, style);
    text += &faultless(proof, style);
    text += &lists(proof, style);
    text + &conclusion(proof, style)
}

fn matrix(faults: &[FaultRow], style: Style) -> String {
    if faults.is_empty() {
        return String::new();
    }
    let width = width(faults.iter().map(|row| row.fault.as_str()), "Fault");
    let mut text = style.bold(&format!("{:width$}  Caught by", "Fault")) + "\n";
    for row in faults {
        let (caught, others): (Vec<_>, Vec<_>) = row
            .failed
            .iter()
            .partition(|case| row.expected.contains(case));
        let score = format!("{}/{}", caught.len(), row.expected.len());
        let score = match caught.len() == row.expected.len() && !caught.is_empty() {
            true => style.green(&score),
            false => style.red(&score),
        };
        text += &format!("{:width$}  {score}", line(&row.fault));
        if !caught.is_empty() {
            text += &format!("  {}", join(caught));
        }
        if row.wide && !others.is_empty() {
            text += &format!("; also {} that build on it", count(others.len(), "case"));
        } else if !others.is_empty() {
            text += &format!("; also {}", join(others));
        }
        text += "\n";
    }
    text + "\n"
}

fn services(proof: &ProofMatrix, style: Style) -> String {
    let Some(width) = proof.services.iter().map(|row| row.fault.len()).max() else {
        return String::new();
    };
    let mut text = style.bold("Out of order as a whole") + "\n";
    for row in &proof.services {
        text += &format!("{:width$}  would end with {}", line(&row.fault), row.exit);
        if !row.passed.is_empty() {
            text += &format!("; denials that pass: {}", join(&row.passed));
        }
        text += "\n";
    }
    text + "\n"
}

fn faultless(proof: &ProofMatrix, style: Style) -> String {
    let mut text = style.bold("Faultless") + "\n";
    for row in &proof.faultless {
        text += &format!(
            "profile {}  {} passed",
            row.profile,
            count(row.pass, "case")
        );
        if row.skip > 0 {
            text += &format!(", {} skipped as newer", row.skip);
        }
        text += "\n";
    }
    text + "\n"
}

fn lists(proof: &ProofMatrix, style: Style) -> String {
    let heading = style.bold("These lists have to be empty") + "\n";
    heading
        + &list(
            "Faults that no case caught that they name",
            &proof.uncaught,
            |name| line(name),
            style,
        )
        + &list(
            "Cases that did not fail on a fault that names them",
            &proof.missed,
            entry,
            style,
        )
        + &list(
            match proof.partial {
                true => "Cases named by these faults that fail on none of them",
                false => "Cases that fail on no fault",
            },
            &proof.idle,
            |case| line(case.as_str()),
            style,
        )
        + &list(
            "Cases that do not pass on the faultless storage element",
            &proof.not_green,
            entry,
            style,
        )
        + &list(
            "Services out of order that look good",
            &proof.green,
            |name| line(name),
            style,
        )
        + &list(
            "Cases that fail on a fault that names neither them nor their clauses",
            &proof.collateral,
            entry,
            style,
        )
}

fn list<T>(title: &str, items: &[T], show: impl Fn(&T) -> String, style: Style) -> String {
    let number = items.len().to_string();
    let number = match items.is_empty() {
        true => style.green(&number),
        false => style.red(&number),
    };
    let mut text = format!("  {title}: {number}\n");
    for item in items {
        text += &format!("    {}\n", show(item));
    }
    text
}

fn entry(entry: &MisplacedVerdict) -> String {
    let verdict = entry.verdict.map_or("absent", |verdict| verdict.as_str());
    let mut text = format!(
        "{} on {}: {verdict}",
        line(entry.case.as_str()),
        line(&entry.name)
    );
    if !entry.why.is_empty() {
        text += &format!(" ({})", line(&entry.why));
    }
    text
}

fn conclusion(proof: &ProofMatrix, style: Style) -> String {
    let mut text = format!(
        "\nUndecided on faults that do not name them, as a consequence: {}\n",
        count(proof.undecided, "case")
    );
    text += &match proof.run == proof.verdicts {
        true => format!("Run: all {}\n", count(proof.verdicts, "verdict")),
        false => format!(
            "Run: {} of {}; the others cannot change\n",
            proof.run,
            count(proof.verdicts, "verdict")
        ),
    };
    if proof.partial {
        text += "Only a selection was on trial: faults and cases beyond it are not judged.\n";
    }
    let what = format!(
        "{} and {} in {}",
        count(proof.faults.len() + proof.services.len(), "fault"),
        count(proof.cases, "case"),
        elapsed(proof.duration_ms)
    );
    text + &match proof.proven {
        true => format!("{}: {what}\n", style.green("Proven")),
        false => format!("{}: {what}\n", style.red("Not proven")),
    }
}

fn width<'a>(names: impl Iterator<Item = &'a str>, title: &str) -> usize {
    names.map(str::len).fold(title.len(), usize::max)
}

fn join<'a>(cases: impl IntoIterator<Item = &'a CaseId>) -> String {
    let names: Vec<_> = cases.into_iter().map(|case| line(case.as_str())).collect();
    names.join(" ")
}
