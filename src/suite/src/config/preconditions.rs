//! Whether a case knows the objects that its steps are about: a denial or a success on an object
//! that is not there proves nothing.

use std::collections::BTreeMap;

use touchstone_model::{Arrangement, Direction, Expect, Interface, Method, Step};
use touchstone_yaml::diagnostics::{Diagnostics, Mark};

/// What a case may rely on at a path. A path that is not in the map is free.
#[derive(Clone, Copy, PartialEq)]
enum Object {
    File,
    Directory,
    /// A control may have changed it.
    Unclear,
}

type Objects = BTreeMap<String, Object>;

/// Follows the steps through what is given and made.
pub(super) fn check(
    d: &mut Diagnostics<'_>,
    given: &[(Mark, Arrangement)],
    steps: &[(Mark, Step)],
) {
    let mut objects = arrange(d, given);
    for (mark, step) in steps {
        // A call to the tape REST API is about a request, not about an object.
        if matches!(step.interface, Interface::Tape(_)) {
            continue;
        }
        let path = step.path.to_string();
        let there = objects.get(&path).copied();
        if let Err(complaint) = suits(step, &path, there) {
            d.error(*mark, complaint.message).help(complaint.help);
        } else if let Some(to) = step.destination.as_ref().map(ToString::to_string) {
            match (step.expect, objects.contains_key(&to)) {
                (Expect::Created, true) => {
                    d.error(*mark, format!("`{to}` is already there"))
                        .help("expect `replaced`");
                }
                (Expect::Replaced, false) => {
                    d.error(*mark, format!("there is nothing at `{to}` to replace"))
                        .help("add it to `given`, or expect `created`");
                }
                _ => {}
            }
        }
        apply(&mut objects, step, path, there);
    }
}

fn arrange(d: &mut Diagnostics<'_>, given: &[(Mark, Arrangement)]) -> Objects {
    let mut objects = Objects::new();
    for (mark, arrangement) in given {
        let path = arrangement.path().to_string();
        let object = match arrangement {
            Arrangement::File(_) => Object::File,
            Arrangement::Directory(_) => Object::Directory,
        };
        for (slash, _) in path.match_indices('/') {
            let parent = path.get(..slash).unwrap_or_default();
            if objects.get(parent) == Some(&Object::File) {
                d.error(*mark, format!("`{parent}` is given as a file"));
            }
            objects.insert(parent.to_owned(), Object::Directory);
        }
        if given_twice(given, mark, &path) {
            d.error(*mark, format!("`{path}` is given twice"));
        } else if object == Object::File && objects.get(&path) == Some(&Object::Directory) {
            d.error(*mark, format!("`{path}` is given as a directory"));
        }
        objects.insert(path, object);
    }
    objects
}

fn given_twice(given: &[(Mark, Arrangement)], mark: &Mark, path: &str) -> bool {
    given
        .iter()
        .take_while(|(other, _)| other != mark)
        .any(|(_, other)| other.path().to_string() == path)
}

struct Complaint {
    message: String,
    help: &'static str,
}

/// Whether what is at the path lets the step mean anything.
fn suits(step: &Step, path: &str, there: Option<Object>) -> Result<(), Complaint> {
    let complain = |message: String, help: &'static str| Err(Complaint { message, help });
    if let Interface::Transfer(transfer) = &step.interface {
        let needed = match transfer.direction {
            Direction::Pull => step.expect == Expect::Replaced,
            Direction::Push => !matches!(step.expect, Expect::NotFound | Expect::Refused),
        };
        let fresh = transfer.direction == Direction::Pull && step.expect == Expect::Created;
        return match there {
            None if needed => complain(
                format!("there is nothing at `{path}`"),
                "add it to `given`, or make it in an earlier step",
            ),
            Some(Object::File) if fresh => {
                complain(format!("`{path}` is already there"), "expect `replaced`")
            }
            _ => Ok(()),
        };
    }
    let Some(there) = there else {
        let needed = match step.method {
            Method::Put => step.expect == Expect::Replaced,
            Method::Mkcol => false,
            Method::Get
            | Method::Head
            | Method::Propfind
            | Method::Delete
            | Method::Move
            | Method::Copy => {
                // What is missing may have to look like what is there.
                !matches!(step.expect, Expect::NotFound | Expect::Any) && !step.tells.alike
            }
            Method::Options | Method::Post => false,
        };
        if needed {
            return complain(
                format!("there is nothing at `{path}`"),
                "add it to `given`, or make it in an earlier step",
            );
        }
        return Ok(());
    };
    // What protocol errors are about is for the case to say.
    let free = step.expect.harmless() && !step.expect.refusal() && step.expect != Expect::NotFound;
    match (step.method, there) {
        _ if free || matches!(step.expect, Expect::Any | Expect::CreatedOrConflict) => Ok(()),
        (_, Object::Unclear) => Ok(()),
        (Method::Get | Method::Head | Method::Put, Object::Directory) => {
            complain(format!("`{path}` is a directory"), "name a file in it")
        }
        (Method::Mkcol, Object::File | Object::Directory) => {
            complain(format!("`{path}` is already there"), "name a new directory")
        }
        (Method::Put, Object::File) if step.expect == Expect::Created => {
            complain(format!("`{path}` is already there"), "expect `replaced`")
        }
        _ if step.expect == Expect::NotFound => complain(
            format!("`{path}` is there"),
            "name something that is neither given nor made",
        ),
        _ => Ok(()),
    }
}

/// What is there after the step.
fn apply(objects: &mut Objects, step: &Step, path: String, there: Option<Object>) {
    let unchanged = step.expect.harmless() && step.control.is_none();
    let sent_away = matches!(&step.interface, Interface::Transfer(transfer) if transfer.direction == Direction::Push);
    if !step.method.writes() || unchanged || sent_away {
        return;
    }
    let either = matches!(
        step.expect,
        Expect::CreatedOrConflict | Expect::DeletedOrRefused
    );
    if either || step.expect == Expect::Any {
        objects.insert(path, Object::Unclear);
        return;
    }
    let to = step.destination.as_ref().map(ToString::to_string);
    if step.expect.harmless() {
        for path in std::iter::once(path).chain(to) {
            objects.insert(path, Object::Unclear);
        }
        return;
    }
    match (step.method, to) {
        (Method::Move, Some(to)) => {
            remove(objects, &path);
            objects.insert(to, there.unwrap_or(Object::Unclear));
        }
        (Method::Copy, Some(to)) => {
            objects.insert(to, there.unwrap_or(Object::Unclear));
        }
        (Method::Delete, _) => remove(objects, &path),
        (Method::Mkcol, _) => {
            objects.insert(path, Object::Directory);
        }
        _ => {
            objects.insert(path, Object::File);
        }
    }
}

/// Takes an object away with everything below it.
fn remove(objects: &mut Objects, path: &str) {
    objects.retain(|other, _| {
        other != path
            && !other
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
    });
}
