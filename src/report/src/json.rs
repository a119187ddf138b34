//! The run record as JSON, and back.

use std::io;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde::{Deserialize, Serialize as _};
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Serializer, Value};

use touchstone_model::{RECORD_SCHEMA, RunRecord, is_invisible_or_control};

use super::FormatError;
use super::text::line;

/// What the record is called in the folder of its run.
pub const FILE: &str = "run.json";

/// The record as pretty JSON; its fields stand in the order of the type.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let mut json = Vec::new();
    stream(record, &mut json).map_err(|error| FormatError::new("JSON", error))?;
    String::from_utf8(json).map_err(|error| FormatError::new("JSON", error))
}

/// The same, piece by piece: that of a fleet is much larger than what is kept in memory for it.
///
/// # Errors
/// Those of `to`.
pub fn stream(record: &RunRecord, mut to: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut to, Harmless(PrettyFormatter::new()));
    record.serialize(&mut serializer)?;
    to.write_all(b"\n")
}

/// Escapes what would steer a terminal; outside of strings JSON has none (RFC 8259 section 7).
struct Harmless<'a>(PrettyFormatter<'a>);

impl Formatter for Harmless<'_> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, steers)) = rest
            .char_indices()
            .find(|&(_, c)| is_invisible_or_control(c))
        {
            to.write_all(&rest.as_bytes()[..at])?;
            for unit in steers.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = &rest[at + steers.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_array(to)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array(to)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array_value(to)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}

/// The JSON Schema of the record (draft 2020-12). Members that it does not name are allowed: later versions may add some.
pub fn schema() -> String {
    let plain = |schema: &mut Schema| {
        // What links in our documentation leads nowhere here.
        if let Some(Value::String(text)) = schema.get_mut("description") {
            let unlinked = text.replace("[`", "`").replace("`]", "`");
            let paragraphs = unlinked.split("\n\n").map(|part| part.replace('\n', " "));
            *text = paragraphs.collect::<Vec<_>>().join("\n\n");
        }
    };
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain));
    let schema = settings
        .into_generator()
        .into_root_schema_for::<RunRecord>();
    format!("{:#}\n", schema.as_value())
}

/// Why a text is no run record. To be printed behind the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not even JSON, or was cut.
    #[error("not JSON: {}", line(&.0.to_string()))]
    Json(#[source] serde_json::Error),
    /// It is other JSON.
    #[error("no run record: it has no `schema`, which would be \"{RECORD_SCHEMA}\"")]
    Foreign,
    /// It is a record of another version.
    #[error("its schema is \"{}\", and this version reads \"{RECORD_SCHEMA}\"", line(.0))]
    Version(String),
    /// It says that it is a record, and is none.
    #[error("no run record of schema \"{RECORD_SCHEMA}\": {}", line(&.0.to_string()))]
    Record(#[source] serde_json::Error),
}

/// Reads a record back.
pub fn read(json: &str) -> Result<RunRecord, ReadError> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    match serde_json::from_str(json) {
        Ok(Head {
            schema: Some(schema),
        }) if schema == RECORD_SCHEMA => serde_json::from_str(json).map_err(ReadError::Record),
        Ok(Head {
            schema: Some(schema),
        }) => Err(ReadError::Version(schema)),
        Ok(Head { schema: None }) => Err(ReadError::Foreign),
        Err(error) if error.is_data() => Err(ReadError::Foreign),
        Err(error) => Err(ReadError::Json(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_record_comes_back() {
        let record = sample::record();
        let json = write(&record).unwrap();
        let back = read(&json).unwrap();
        assert_eq!(back.results, record.results);
        assert_eq!(back.endpoints, record.endpoints);
        assert_eq!(back.statistics, record.statistics);
        assert_eq!(back.run, record.run);
        assert_eq!(write(&back).unwrap(), json);
    }

    #[test]
    fn what_becomes_a_name_or_a_command_has_to_look_like_one() {
        let text = write(&sample::record()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let exchange = "/results/2/exchanges/0";
        for (field, wrong, said) in [
            ("/run/id", "../../escaped", "a run id looks like"),
            ("/run/id", "..", "a run id looks like"),
            (
                "/results/0/case",
                "a.b; touch PWNED",
                "a case id is dotted lower-case words",
            ),
            ("/results/0/clauses/0", "$(id)", "a clause id looks like"),
            (
                "/results/2/findings/0/clause",
                "x",
                "a clause id looks like",
            ),
            (
                &format!("{exchange}/method"),
                "GET; touch PWNED #",
                "is no method",
            ),
            (&format!("{exchange}/method"), "", "is no method"),
            (&format!("{exchange}/url"), "-o/etc/x", "is no URL"),
            (
                &format!("{exchange}/url"),
                "file:///etc/passwd",
                "is no URL",
            ),
        ] {
            let mut hostile = value.clone();
            let (above, name) = field.rsplit_once('/').unwrap();
            let above = hostile.pointer_mut(above).unwrap();
            match name.parse::<usize>() {
                Ok(at) => above[at] = wrong.into(),
                Err(_) => above[name] = wrong.into(),
            }
            let text = serde_json::to_string_pretty(&hostile).unwrap();
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{field}: {error}");
            assert!(error.contains(&format!("{wrong:?}")), "{field}: {error}");
            assert!(error.contains("line "), "{field}: {error}");
        }
    }

    #[test]
    fn its_fields_are_those_that_others_rely_on() {
        let json = write(&sample::record()).unwrap();
        assert!(json.starts_with("{\n  \"schema\": \"touchstone/run/1\",\n  \"run\": {"));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let failed = &value["results"][2];
        for field in [
            "endpoint",
            "suite",
            "case",
            "clauses",
            "severity",
            "verdict",
            "known",
            "reason",
            "findings",
            "exchanges",
            "duration_ms",
        ] {
            assert!(failed.get(field).is_some(), "{field}");
        }
        for field in [
            "clause",
            "level",
            "basis",
            "requirement",
            "expected",
            "actual",
        ] {
            assert!(failed["findings"][0][field].is_string(), "{field}");
        }
        assert_eq!(failed["verdict"], "fail");
        assert_eq!(failed["findings"][0]["level"], "MUST NOT");
        assert_eq!(failed["findings"][0]["basis"], "stated");
        assert_eq!(failed["findings"][1]["basis"], "derived");
    }

    #[test]
    fn its_schema_describes_it_and_nothing_broken() {
        let schema = serde_json::from_str(&schema()).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        for record in [sample::record(), sample::with_past()] {
            let record: Value = serde_json::from_str(&write(&record).unwrap()).unwrap();
            let errors: Vec<_> = schema.iter_errors(&record).map(|e| e.to_string()).collect();
            assert_eq!(errors, [""; 0]);
            let changed = |change: fn(&mut Value)| {
                let mut record = record.clone();
                change(&mut record);
                schema.is_valid(&record)
            };
            assert!(changed(|record| record["results"][0]["later"] = 1.into()));
            assert!(!changed(
                |record| record["schema"] = "touchstone/run/2".into()
            ));
            assert!(!changed(
                |record| record["results"][0]["verdict"] = "perhaps".into()
            ));
            assert!(!changed(
                |record| record["run"]["duration_ms"] = "1 s".into()
            ));
            assert!(!changed(
                |record| _ = record["results"][2]["findings"][0]["clause"].take()
            ));
            assert!(!changed(
                |record| _ = record.as_object_mut().unwrap().remove("endpoints")
            ));
        }
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let json = write(&sample::record()).unwrap();
        let newer = json.replace("touchstone/run/1", "touchstone/run/2");
        let broken = json.replace("\"pass\"", "\"perhaps\"");
        let messages: Vec<_> = [
            "",
            &json[..100],
            "[]",
            "{}",
            "{\"schema\": 1}",
            &newer,
            &broken,
        ]
        .map(|text| read(text).unwrap_err().to_string())
        .into();
        insta::assert_snapshot!(messages.join("\n"), @r#"
not JSON: EOF while parsing a value at line 1 column 0
not JSON: EOF while parsing a string at line 5 column 18
no run record: it has no `schema`, which would be "touchstone/run/1"
no run record: it has no `schema`, which would be "touchstone/run/1"
no run record: it has no `schema`, which would be "touchstone/run/1"
its schema is "touchstone/run/2", and this version reads "touchstone/run/1"
no run record of schema "touchstone/run/1": unknown variant `perhaps`, expected one of `pass`, `warn`, `fail`, `error`, `skip` at line 350 column 26
"#);
    }
}
