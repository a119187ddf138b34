//! Cases where nothing may be written: a file that was there before stands in for the one that a case
//! would have arranged.

use touchstone_model::{
    Arrangement, Case, Credential, Existing, Expect, Interface, RawOptions, RequestShape, Script,
    StepPlan, TapeOperation, TokenRequest,
};

use super::Site;

/// `script` with the existing file in the place of the given one.
///
/// # Errors
/// Why the case cannot run there, in words.
pub(super) fn onto(
    site: &Site<'_>,
    existing: &Existing,
    case: &Case,
    script: &Script,
) -> Result<Script, String> {
    if script.steps.iter().all(asks_where_tape_is) {
        let mut script = script.clone();
        script.directories.clear();
        return Ok(script);
    }
    let unfit = |reason: &str| {
        format!("the endpoint is read-only (`traits: {{read-only: …}}`), and the case {reason}")
    };
    let reads = script.steps.iter().try_for_each(read_only);
    reads.map_err(|what| unfit(&format!("sends what could write: {what}")))?;
    let here = format!("{}/{}", site.directory, case.id);
    let prefix = format!("{}{here}/", site.endpoint.area);
    let path = script.steps.first().map_or("", |step| &step.path);
    // What is given besides only has to have a name.
    let given = |file: &&str| {
        let mut given = case.given.iter();
        given.any(|one| matches!(one, Arrangement::File(path) if path.to_string() == *file))
    };
    let Some(file) = path.strip_prefix(&prefix).filter(given) else {
        return Err(unfit("is not about one existing file"));
    };
    for step in &script.steps {
        if step.path != path {
            return Err(unfit("needs more than one existing file"));
        }
        if step.expect == Expect::Unsatisfiable {
            return Err(unfit("needs a file of known size"));
        }
        if endless(step) {
            return Err(unfit("asks for whole trees"));
        }
    }
    let names = Names::new(existing, here, file)
        .ok_or_else(|| unfit("needs a file deeper below the area than the existing one"))?;
    let mut strays = false;
    let mut script = script.map_texts(&mut |text| names.rename(text, &mut strays));
    if strays {
        return Err(unfit("is about names of its own beside the file's"));
    }
    script.directories.clear();
    script.given.clear();
    Ok(script)
}

/// Whether a step is about no object at all, and only reads.
fn asks_where_tape_is(step: &StepPlan) -> bool {
    match &step.interface {
        Interface::Tape(call) => {
            call.operation == TapeOperation::Discover && read_only(step).is_ok()
        }
        _ => false,
    }
}

/// Says what of a step could write.
fn read_only(step: &StepPlan) -> Result<(), String> {
    let wire = step.wire.as_ref();
    let odd = |wire: &RawOptions<Credential<TokenRequest>>| {
        wire.expect_continue || wire.chunked || wire.cut.is_some()
    };
    let written = wire.and_then(|wire| wire.present.as_deref()).unwrap_or(&[]);
    let mut headers = step.headers.clone();
    headers.extend(written.iter().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.to_owned()))
    }));
    let target = wire.and_then(|wire| wire.target.as_deref());
    let query = wire.and_then(|wire| wire.query.as_deref());
    let shape = RequestShape {
        verb: step.verb.as_deref().unwrap_or(step.method.as_str()),
        headers: &headers,
        target: &format!(
            "{}?{}",
            target.unwrap_or(&step.path),
            query.unwrap_or_default()
        ),
        body: step.body.is_some() || wire.is_some_and(odd),
    };
    match shape.could_write() {
        Some(what) => Err(what),
        None => Ok(()),
    }
}

fn endless(step: &StepPlan) -> bool {
    step.headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("depth") && value != "0" && value != "1")
}

/// What the names of a case become.
struct Names {
    /// The case's directory below the area.
    here: String,
    /// The existing directory that stands in for it.
    there: String,
    /// Components of the given file's path, and those that stand in for them.
    names: Vec<(String, String)>,
}

impl Names {
    fn new(existing: &Existing, here: String, file: &str) -> Option<Self> {
        let real: Vec<&str> = existing.path.split('/').skip(1).collect();
        let given: Vec<&str> = file.split('/').collect();
        let above = real.len().checked_sub(given.len()).filter(|n| *n > 0)?;
        let (there, stand_ins) = real.split_at(above);
        Some(Self {
            here,
            there: format!("/{}", there.join("/")),
            names: given
                .iter()
                .zip(stand_ins)
                .map(|(given, real)| ((*given).to_owned(), (*real).to_owned()))
                .collect(),
        })
    }

    /// `text` with the case's directory and the names in it replaced; `strays` is set where the text
    /// speaks of names beside them that lose their meaning.
    fn rename(&self, text: &str, strays: &mut bool) -> String {
        let mut done = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(&self.here) {
            let end = after
                .find(|c: char| c.is_whitespace() || "\"'?#,".contains(c))
                .unwrap_or(after.len());
            let (path, behind) = after.split_at(end);
            done.push_str(before);
            done.push_str(&self.there);
            for (index, component) in path.split('/').enumerate() {
                // What stands right behind the directory's name belongs to that name.
                if index == 0 {
                    done.push_str(component);
                    continue;
                }
                done.push('/');
                done.push_str(&self.component(component).unwrap_or_else(|| {
                    *strays = true;
                    component.to_owned()
                }));
            }
            rest = behind;
        }
        done + rest
    }

    /// What a component becomes; `None` where it would lose what it has to do with the given names.
    fn component(&self, component: &str) -> Option<String> {
        let same = || Some(component.to_owned());
        let lower = component.to_ascii_lowercase();
        let dots = lower.replace("%25", "%").replace("%2e", ".");
        if dots.trim_matches(['.', ';', '*']).is_empty() {
            return same();
        }
        if let Some((_, real)) = self.names.iter().find(|(given, _)| given == component) {
            return Some(real.clone());
        }
        if component.contains('%') {
            return None;
        }
        for (given, real) in &self.names {
            if let Some(more) = component.strip_prefix(given.as_str()) {
                return plain(more).then(|| format!("{real}{more}"));
            }
            // A name with which the given one begins: so does the real one with its own beginning.
            if given.starts_with(component) {
                let (last, _) = real.char_indices().next_back()?;
                let beginning = &real[..last];
                return (!beginning.is_empty() && !real.contains('%'))
                    .then(|| beginning.to_owned());
            }
            if given.eq_ignore_ascii_case(component) {
                return other_letters(real);
            }
        }
        let akin = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.starts_with(&lower) || lower.starts_with(&name)
        };
        let mut names = self.names.iter();
        let related = names.any(|(given, real)| akin(given) || akin(real));
        (plain(component) && !related).then(same)?
    }
}

fn plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// The name with capital letters for small ones and the other way round.
fn other_letters(name: &str) -> Option<String> {
    let swapped = |c: char| match c.is_ascii_lowercase() {
        true => c.to_ascii_uppercase(),
        false => c.to_ascii_lowercase(),
    };
    let other: String = name.chars().map(swapped).collect();
    (other != name && !name.contains('%')).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(text: &str) -> (String, bool) {
        let names = Names {
            here: "/touchstone-x/path.case".into(),
            there: "/data/run".into(),
            names: vec![
                ("a".into(), "set7".into()),
                ("f".into(), "raw.dat".into()),
                ("foobar".into(), "xyz".into()),
            ],
        };
        let mut strays = false;
        let text = names.rename(text, &mut strays);
        (text, strays)
    }

    #[test]
    fn the_directory_and_the_given_names_become_the_existing_ones() {
        for (text, expected) in [
            ("storage.read:/", "storage.read:/"),
            (
                "storage.read:/touchstone-x/path.case",
                "storage.read:/data/run",
            ),
            (
                "/wlcg/touchstone-x/path.case/a/f",
                "/wlcg/data/run/set7/raw.dat",
            ),
            (
                "storage.read:/touchstone-x/path.case/a/",
                "storage.read:/data/run/set7/",
            ),
            (
                "/touchstone-x/path.case/b/../a//./f",
                "/data/run/b/../set7//./raw.dat",
            ),
            (
                "/touchstone-x/path.case/b/%252e%2E/a/f",
                "/data/run/b/%252e%2E/set7/raw.dat",
            ),
            ("/touchstone-x/path.casex/a", "/data/runx/set7"),
            (
                "/touchstone-x/path.case/a,/touchstone-x/path.case/f",
                "/data/run/set7,/data/run/raw.dat",
            ),
        ] {
            assert_eq!(renamed(text), (expected.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn names_whose_meaning_would_be_lost_are_strays() {
        for name in ["a%2ff", "a%2F", "a*", "s", "set", "raw.date", "[fg]"] {
            let (_, strays) = renamed(&format!("storage.read:/touchstone-x/path.case/{name}"));
            assert!(strays, "{name}");
        }
    }
}
