use std::fmt;

/// What a plan has where the listener's origin will stand.
pub const LISTENER: &str = "{listener}";
/// The same for its host and port alone.
pub const LISTENER_HOST: &str = "{listener-host}";

/// A value that the planner knows and a suite file refers to in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `{dir}`: the case's own directory as a path below the area, as scopes name it.
    Dir,
    /// `{endpoint}`: scheme, host and port of the endpoint, as audiences name it.
    Endpoint,
    /// `{host}`: the host of the endpoint, without its port.
    Host,
    /// `{audience}`: each audience that the endpoint declares, otherwise what `{endpoint}` is. A step that names it is
    /// done for each of them.
    Audience,
    /// `{area}`: the path of the area on the service.
    Area,
    /// `{issuer}`: the issuer's identifier, as tokens have it in `iss`.
    Issuer,
    /// `{group}`: the group that may read and write the area.
    Group,
    /// `{privileged-group}`: the group that may also write the protected path.
    PrivilegedGroup,
    /// `{protected}`: the case's own directory below the protected path.
    Protected,
    /// `{second}`: the case's own directory in the second area, below that area.
    Second,
    /// `{second-area}`: the path of the second area on the service.
    SecondArea,
    /// `{second-issuer}`: the identifier of the second area's issuer.
    SecondIssuer,
    /// `{tape}`: the case's own directory below the path whose files go to tape.
    Tape,
    /// `{nearline}`: the file that is on tape already.
    Nearline,
    /// `{marker}`: the name of the one object that a run may try to make beside the area.
    Marker,
    /// `{listener}`: scheme, host and port of a server of ours that nobody trusts. It is there while the
    /// case runs, so that the plan leaves the variable as it is.
    Listener,
    /// `{listener-host}`: host and port of that server.
    ListenerHost,
}

impl Variable {
    /// Every variable.
    pub const ALL: [Self; 17] = [
        Self::Dir,
        Self::Endpoint,
        Self::Host,
        Self::Audience,
        Self::Area,
        Self::Issuer,
        Self::Group,
        Self::PrivilegedGroup,
        Self::Protected,
        Self::Second,
        Self::SecondArea,
        Self::SecondIssuer,
        Self::Tape,
        Self::Nearline,
        Self::Marker,
        Self::Listener,
        Self::ListenerHost,
    ];

    /// Whether it has a meaning only where files go to tape.
    pub fn of_tape(self) -> bool {
        matches!(self, Self::Tape | Self::Nearline)
    }

    /// The name between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Endpoint => "endpoint",
            Self::Host => "host",
            Self::Audience => "audience",
            Self::Area => "area",
            Self::Issuer => "issuer",
            Self::Group => "group",
            Self::PrivilegedGroup => "privileged-group",
            Self::Protected => "protected",
            Self::Second => "second",
            Self::SecondArea => "second-area",
            Self::SecondIssuer => "second-issuer",
            Self::Tape => "tape",
            Self::Nearline => "nearline",
            Self::Marker => "marker",
            Self::Listener => "listener",
            Self::ListenerHost => "listener-host",
        }
    }
}

/// Text of a suite file with `{variables}` in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A name that is no variable.
    Unknown(String),
    /// A brace without its partner.
    Unbalanced,
}

impl Template {
    /// Reads `text`, in which every brace belongs to a variable.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(open);
            let Some((name, after)) = from_brace
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
            else {
                return Err(TemplateError::Unbalanced);
            };
            let variable = Variable::ALL
                .into_iter()
                .find(|variable| variable.name() == name)
                .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(variable));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The variables in it, in order, repeated ones as often as they occur.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(variable) => Some(*variable),
        })
    }

    /// The text with each variable replaced.
    pub fn expand(&self, value: impl Fn(Variable) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Variable(variable) => value(*variable),
            })
            .collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(variable) => write!(f, "{{{}}}", variable.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand_and_print_back() {
        let template = Template::parse("storage.read:{dir}/a storage.create:{dir}").unwrap();
        assert_eq!(
            template.expand(|_| "/x".into()),
            "storage.read:/x/a storage.create:/x"
        );
        assert_eq!(
            template.to_string(),
            "storage.read:{dir}/a storage.create:{dir}"
        );
        assert_eq!(
            template.variables().collect::<Vec<_>>(),
            [Variable::Dir, Variable::Dir]
        );
    }

    #[test]
    fn wrong_templates_say_why() {
        assert_eq!(
            Template::parse("{dri}"),
            Err(TemplateError::Unknown("dri".into()))
        );
        for text in ["{dir", "dir}", "a}b{", "{"] {
            assert_eq!(
                Template::parse(text),
                Err(TemplateError::Unbalanced),
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".*") {
            if let Ok(template) = Template::parse(&text) {
                proptest::prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}
