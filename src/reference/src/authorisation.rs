//! What a right is about, and who has it (profile 2.2.1 to 2.2.3).

use super::namespace::Node;
use super::path::{ObjectPath, WrittenPath};
use super::rules::Rules;
use super::scope::Action;
use super::token::Bearer;
use touchstone_model::{ANY_AUDIENCE, Audience, Groups, Method};

/// What somebody wants to do to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Make a new file, be it by upload or as the target of a rename or copy.
    Create,
    Delete,
    /// See the names in a directory.
    List,
    MakeDirectory,
    /// Put something in the place of what is there.
    Overwrite,
    /// See the data.
    Read,
    /// Take a directory away from its name.
    RenameDirectory,
    /// Take a file away from its name.
    RenameFile,
    /// See the metadata.
    Stat,
    /// See whether it is on tape.
    Locate,
    /// Look how far a request to bring it to disk is.
    Follow,
    /// Have it brought to disk, or not any more.
    Recall,
}

/// One question to the authorisation.
pub(super) struct Question<'a> {
    pub(super) operation: Operation,
    /// The request's method; the right answer does not depend on it.
    pub(super) method: Method,
    /// Relative to the issuer's area.
    pub(super) path: &'a ObjectPath,
    /// Whether the object is, or is to be, a directory.
    pub(super) directory: bool,
    /// `jti` of the token that made the object; the right answer does not depend on it.
    pub(super) made_with: Option<&'a str>,
    /// Whether only a part of a file is asked for; the right answer does not depend on it.
    pub(super) part: bool,
}

/// Whether a token is meant for this service, one of whose names are `own` (profile 2.1.1).
pub(super) fn audience_accepted(bearer: &Bearer, own: &[String], _: Method) -> bool {
    bearer
        .audience
        .as_ref()
        .map_or(&[][..], Audience::each)
        .iter()
        .any(|audience| audience == ANY_AUDIENCE || own.contains(audience))
}

/// Whether the bearer may. Groups count only where there is no capability (profile 2.2.3).
pub(super) fn allows(rules: &Rules, bearer: &Bearer, groups: &Groups, asked: &Question) -> bool {
    if bearer.has_capability() {
        bearer.capabilities().iter().any(|capability| {
            (rules.permits)(capability.action, asked) && (rules.covers)(&capability.path, asked)
        })
    } else {
        (rules.groups_permit)(groups, &bearer.groups, asked)
    }
}

/// Whether a capability of that name is one for this operation, paths apart.
pub(super) fn permits(action: Action, asked: &Question) -> bool {
    use Operation::*;
    match action {
        Action::Create => {
            matches!(
                asked.operation,
                Create | MakeDirectory | RenameFile | Stat | Locate
            )
        }
        Action::Modify => !matches!(asked.operation, Read | Follow | Recall),
        // Whether it may follow requests is open; who asks for nothing else waits for files.
        Action::Poll => matches!(asked.operation, Locate | Follow),
        Action::Read => matches!(asked.operation, Read | Stat | List | Locate),
        Action::Stage => matches!(asked.operation, Stat | Locate | Follow | Recall),
    }
}

/// Whether the path of a capability reaches the object.
pub(super) fn covers(scope: &WrittenPath, asked: &Question) -> bool {
    let leads_to_it =
        asked.operation == Operation::MakeDirectory && scope.path.starts_with(asked.path);
    reaches(scope, asked) || leads_to_it
}

/// The object of that name, and what is below; with a trailing slash only if it is a directory.
fn reaches(scope: &WrittenPath, asked: &Question) -> bool {
    let names_a_file_as_directory = scope.slash && !asked.directory && *asked.path == scope.path;
    asked.path.starts_with(&scope.path) && !names_a_file_as_directory
}

/// Whether the groups that the token asserts may do it: the member group everything outside the
/// protected path and looking inside, the privileged group everything.
pub(super) fn groups_permit(groups: &Groups, asserted: &[String], asked: &Question) -> bool {
    let member = asserted.contains(&groups.member);
    let privileged = asserted.contains(&groups.privileged);
    privileged || (member && (!protected(groups, asked) || looks(asked.operation)))
}

/// Whether the object is the protected directory or below.
pub(super) fn protected(groups: &Groups, asked: &Question) -> bool {
    WrittenPath::parse(&groups.protected)
        .is_some_and(|protected| asked.path.starts_with(&protected.path))
}

/// What an upload does, given what is there.
pub(super) fn uploading(node: Option<&Node>) -> Operation {
    match node {
        Some(_) => Operation::Overwrite,
        None => Operation::Create,
    }
}

/// The method of that name, if it is one of ours.
pub(super) fn method(name: &str) -> Option<Method> {
    use Method::*;
    [Get, Head, Put, Delete, Mkcol, Propfind, Move, Copy, Options]
        .into_iter()
        .find(|method| method.as_str() == name)
}

/// Whether it changes nothing.
pub(super) fn looks(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Read | Operation::Stat | Operation::List | Operation::Locate | Operation::Follow
    )
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::Operation::*;
    use super::*;

    const ALL: [Operation; 12] = [
        Locate,
        Follow,
        Recall,
        Create,
        Delete,
        List,
        MakeDirectory,
        Overwrite,
        Read,
        RenameDirectory,
        RenameFile,
        Stat,
    ];

    fn may(scope: &str, groups: &[&str], operation: Operation, path: &str) -> bool {
        let bearer = Bearer {
            scope: Scope::parse(scope).unwrap(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..Bearer::default()
        };
        let written = WrittenPath::parse(path).unwrap();
        let asked = Question {
            operation,
            method: Method::Get,
            path: &written.path,
            directory: written.slash || matches!(operation, MakeDirectory | RenameDirectory | List),
            made_with: None,
            part: false,
        };
        allows(&Rules::default(), &bearer, &Groups::default(), &asked)
    }

    #[test]
    fn each_capability_has_its_operations() {
        for (name, allowed) in [
            ("read", &[List, Read, Stat, Locate][..]),
            ("create", &[Create, MakeDirectory, RenameFile, Stat, Locate]),
            (
                "modify",
                &[
                    Create,
                    Delete,
                    List,
                    MakeDirectory,
                    Overwrite,
                    RenameDirectory,
                    RenameFile,
                    Stat,
                    Locate,
                ],
            ),
            ("stage", &[Stat, Locate, Follow, Recall]),
            ("poll", &[Locate, Follow]),
        ] {
            for operation in ALL {
                assert_eq!(
                    may(&format!("storage.{name}:/"), &[], operation, "/a/b"),
                    allowed.contains(&operation),
                    "{name} {operation:?}"
                );
            }
        }
    }

    #[test]
    fn paths_are_compared_by_component() {
        for (scope, path, right) in [
            ("/", "/a/b/c", true),
            ("/foo", "/foo", true),
            ("/foo", "/foo/a/b", true),
            ("/foo", "/foobar", false),
            ("/foo", "/foobar/f", false),
            ("/foo", "/", false),
            ("/foo/bar", "/foo", false),
            ("/foo/", "/foo/f", true),
            ("/foo/", "/foo", false),
            ("/foo/", "/foo/", true),
            ("/a%20b", "/a%20b/f", true),
            ("/a%2520b", "/a%20b/f", false),
            ("/foo", "/Foo", false),
        ] {
            let scope = format!("storage.read:{scope}");
            assert_eq!(may(&scope, &[], Read, path), right, "{scope} {path}");
        }
    }

    #[test]
    fn directories_that_lead_to_the_path_may_be_made_and_nothing_else() {
        let scope = "storage.create:/p/q";
        for (operation, path, right) in [
            (MakeDirectory, "/p", true),
            (MakeDirectory, "/p/q", true),
            (MakeDirectory, "/p/q/r", true),
            (MakeDirectory, "/pp", false),
            (MakeDirectory, "/p/z", false),
            (Create, "/p", false),
            (Create, "/p/other", false),
            (Stat, "/p", false),
        ] {
            assert_eq!(
                may(scope, &[], operation, path),
                right,
                "{operation:?} {path}"
            );
        }
        assert!(!may("storage.read:/p/q", &[], MakeDirectory, "/p"));
    }

    #[test]
    fn scopes_add_up() {
        let scope = "storage.read:/a storage.read:/b storage.create:/c openid";
        assert!(may(scope, &[], Read, "/a/f") && may(scope, &[], Read, "/b/f"));
        assert!(may(scope, &[], Create, "/c/f"));
        assert!(!may(scope, &[], Create, "/a/f") && !may(scope, &[], Read, "/c/f"));
    }

    #[test]
    fn groups_count_only_without_capabilities() {
        assert!(may("openid wlcg.groups", &["/wlcg"], Create, "/f"));
        assert!(!may("storage.read:/", &["/wlcg"], Create, "/f"));
        assert!(!may("compute.create", &["/wlcg"], Read, "/f"));
        assert!(!may("openid", &[], Read, "/f"));
        for odd in [
            "/WLCG",
            "wlcg",
            "/wlcg/",
            "/wlcg/tes",
            "/wlcg/test2",
            "/wlcg/x",
        ] {
            assert!(!may("", &[odd], Read, "/f"), "{odd}");
        }
    }

    #[test]
    fn the_protected_path_is_for_looking() {
        for operation in ALL {
            let member = may("", &["/wlcg"], operation, "/protected/f");
            assert_eq!(member, looks(operation), "{operation:?}");
            assert!(may("", &["/wlcg/test"], operation, "/protected/f"));
            assert!(may("", &["/wlcg"], operation, "/protected-not/f"));
        }
        assert!(!may("", &["/wlcg"], Delete, "/protected"));
    }

    #[test]
    fn audiences_are_compared_whole() {
        let own = ["https://localhost:1".to_owned()];
        let one = |text: &str| Some(Audience::One(text.to_owned()));
        let many = |list: &[&str]| Some(Audience::Many(list.iter().map(|&s| s.into()).collect()));
        for (audience, right) in [
            (None, false),
            (one("https://localhost:1"), true),
            (one("https://LOCALHOST:1"), false),
            (one("https://localhost:1/"), false),
            (one("https://localhost:11"), false),
            (one(ANY_AUDIENCE), true),
            (many(&["x", "https://localhost:1"]), true),
            (many(&["x", ANY_AUDIENCE]), true),
            (many(&["x", "y"]), false),
        ] {
            let bearer = Bearer {
                audience: audience.clone(),
                ..Bearer::default()
            };
            assert_eq!(
                audience_accepted(&bearer, &own, Method::Get),
                right,
                "{audience:?}"
            );
        }
    }
}
