use comfy_table::{Table, presets};
use serde_json::{Value, json};

use touchstone_model::{Basis, Clause, Document};
use touchstone_report::FORMATS;
use touchstone_suite::config::Catalogue;

use super::args::{Files, ListArgs, Listed, OutputFormat, Target};
use touchstone_report::text::line;

use super::coverage::Coverage;
use super::output::{self, Failed};
use super::{exit, inputs};

/// `touchstone list`
pub fn main(arguments: &ListArgs) -> Result<u8, Failed> {
    if arguments.unquoted && arguments.what != Listed::Clauses {
        return Err(Failed::Usage(
            "--unquoted is about clauses: touchstone list clauses --unquoted".to_owned(),
        ));
    }
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let listing = match arguments.what {
        Listed::Cases => cases(&catalogue),
        Listed::Endpoints => endpoints(&arguments.files, &catalogue)?,
        Listed::Clauses => clauses(&catalogue, arguments.unquoted),
        Listed::Faults => faults(),
        Listed::Likes => likes(),
        Listed::Formats => formats(),
    };
    output::result(&match arguments.format {
        OutputFormat::Table => listing.table(),
        OutputFormat::Json => touchstone_report::text::json(format!("{:#}\n", listing.json())),
    })?;
    Ok(exit::OK)
}

/// The same things for people and for programs.
struct Listing {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
    values: Vec<Value>,
    /// What they amount to, where that says something.
    coverage: Option<Coverage>,
    /// The documents that they quote.
    documents: Vec<Document>,
}

impl Listing {
    fn table(&self) -> String {
        if self.rows.is_empty() && self.coverage.is_none() {
            return String::new();
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(self.columns)
            .add_rows(
                self.rows
                    .iter()
                    .map(|row| row.iter().map(|cell| line(cell))),
            );
        let lines: Vec<_> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        let sum = match &self.coverage {
            Some(coverage) => format!("\n{coverage}\n"),
            None => String::new(),
        };
        format!("{}\n{sum}", lines.join("\n"))
    }

    fn json(self) -> Value {
        match self.coverage {
            Some(coverage) => json!({
                "clauses": self.values,
                "counts": coverage.json(),
                "documents": self.documents,
            }),
            None => Value::Array(self.values),
        }
    }
}

fn cases(catalogue: &Catalogue) -> Listing {
    let cases: Vec<_> = catalogue
        .suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .collect();
    Listing {
        columns: &["CASE", "SEVERITY", "CLAUSES", "TITLE"],
        rows: cases
            .iter()
            .map(|case| {
                vec![
                    case.id.to_string(),
                    case.severity.to_string(),
                    join(&case.clauses, " "),
                    case.title.clone(),
                ]
            })
            .collect(),
        values: cases
            .iter()
            .map(|case| {
                json!({
                    "case": case.id, "suite": case.suite, "title": case.title, "risk": case.risk,
                    "clauses": case.clauses, "severity": case.severity, "at": case.at.to_string(),
                })
            })
            .collect(),
        coverage: None,
        documents: Vec::new(),
    }
}

fn endpoints(files: &Files, catalogue: &Catalogue) -> Result<Listing, Failed> {
    let inventory = inputs::inventory(files, &Target::default(), catalogue)?;
    let issuer = |name: &Option<String>| {
        name.as_deref()
            .and_then(|name| inventory.issuer(name))
            .map(|issuer| issuer.url.clone())
            .unwrap_or_default()
    };
    Ok(Listing {
        columns: &["ENDPOINT", "URL", "ISSUER", "SOFTWARE", "KNOWN FAILURES"],
        rows: inventory
            .endpoints
            .iter()
            .map(|endpoint| {
                vec![
                    endpoint.name.clone(),
                    endpoint.area_url(),
                    issuer(&endpoint.issuer),
                    endpoint.software.clone().unwrap_or_default(),
                    endpoint.known_failures.len().to_string(),
                ]
            })
            .collect(),
        values: inventory
            .endpoints
            .iter()
            .map(|endpoint| {
                let traits = &endpoint.traits;
                json!({
                    "endpoint": endpoint.name, "url": endpoint.area_url(),
                    "issuer": issuer(&endpoint.issuer), "software": endpoint.software,
                    "profile": endpoint.profile,
                    "traits": {
                        "directories": traits.directories, "any-audience": traits.any_audience,
                        "groups": traits.groups.as_ref().map(|groups| json!({
                            "member": groups.member, "privileged": groups.privileged,
                            "protected": groups.protected,
                        })),
                        "third-party-copy": traits.third_party_copy,
                        "tape": traits.tape.as_ref().map(|tape| json!({
                            "path": tape.path, "file": tape.file,
                        })),
                        "macaroons": traits.macaroons, "move": traits.moves,
                        "propfind": traits.propfind, "digests": traits.digests,
                        "public-read": traits.public_read,
                        "read-only": traits.read_only.as_ref().map(|existing| json!({
                            "file": existing.path,
                            "checksum": format!("adler32:{:08x}", existing.adler32),
                        })),
                    },
                    "known-failures": endpoint.known_failures,
                })
            })
            .collect(),
        coverage: None,
        documents: Vec::new(),
    })
}

/// All clauses, or those that cite a source whose words they do not have.
fn clauses(catalogue: &Catalogue, unquoted: bool) -> Listing {
    let listed = || {
        let clauses = catalogue.clauses.iter();
        clauses.filter(move |clause| {
            !unquoted || clause.basis != Basis::Derived && clause.text.is_empty()
        })
    };
    let cases_of = |clause: &Clause| -> Vec<_> {
        let cases = catalogue.cases_of(&clause.id);
        cases.into_iter().map(|case| &case.id).collect()
    };
    Listing {
        columns: &["CLAUSE", "LEVEL", "BASIS", "REQUIREMENT", "CASES"],
        rows: listed()
            .map(|clause| {
                vec![
                    clause.id.to_string(),
                    clause.level.to_string(),
                    clause.basis.as_str().to_owned(),
                    clause.requirement.clone(),
                    match (cases_of(clause).as_slice(), &clause.untestable) {
                        ([], Some(reason)) => format!("untestable: {reason}"),
                        ([], None) => "none".to_owned(),
                        (cases, _) => join(cases, " "),
                    },
                ]
            })
            .collect(),
        values: listed()
            .map(|clause| {
                let mut value = json!(clause);
                value["cases"] = json!(cases_of(clause));
                value
            })
            .collect(),
        coverage: (!unquoted).then(|| Coverage::of(catalogue)),
        documents: catalogue.documents.clone(),
    }
}

fn faults() -> Listing {
    Listing {
        columns: &["FAULT", "CAUGHT BY", "WHAT THE STORAGE ELEMENT DOES"],
        rows: touchstone_reference::faults()
            .iter()
            .map(|fault| {
                vec![
                    fault.name.to_owned(),
                    fault.cases.join(" "),
                    fault.about.to_owned(),
                ]
            })
            .collect(),
        values: touchstone_reference::faults()
            .iter()
            .map(|fault| {
                json!({
                    "fault": fault.name, "about": fault.about,
                    "clauses": fault.clauses, "cases": fault.cases,
                })
            })
            .collect(),
        coverage: None,
        documents: Vec::new(),
    }
}

fn likes() -> Listing {
    let names = |like: &touchstone_reference::Like| -> Vec<_> {
        let deviations = like.deviations();
        deviations.iter().map(|fault| fault.name).collect()
    };
    Listing {
        columns: &["LIKE", "WHAT IT IS", "FACTS FROM"],
        rows: touchstone_reference::likes()
            .iter()
            .map(|like| {
                vec![
                    like.name.to_owned(),
                    like.about.to_owned(),
                    like.source.to_owned(),
                ]
            })
            .collect(),
        values: touchstone_reference::likes()
            .iter()
            .map(|like| {
                json!({
                    "like": like.name, "about": like.about, "source": like.source,
                    "deviations": names(like),
                })
            })
            .collect(),
        coverage: None,
        documents: Vec::new(),
    }
}

fn formats() -> Listing {
    let file = |format: &touchstone_report::ReportFormat| match format.single() {
        true => format.file.to_owned(),
        false => format!("{}/", format.file),
    };
    let when = |usual| if usual { "always" } else { "when named" };
    Listing {
        columns: &["FORMAT", "FILE", "MADE", "WHAT IT IS"],
        rows: FORMATS
            .iter()
            .map(|format| {
                vec![
                    format.name.to_owned(),
                    file(format),
                    when(format.usual).to_owned(),
                    format.about.to_owned(),
                ]
            })
            .collect(),
        values: FORMATS
            .iter()
            .map(|format| {
                json!({
                    "format": format.name, "file": file(format), "usual": format.usual,
                    "about": format.about,
                })
            })
            .collect(),
        coverage: None,
        documents: Vec::new(),
    }
}

fn join<T: ToString>(items: &[T], separator: &str) -> String {
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(separator)
}
