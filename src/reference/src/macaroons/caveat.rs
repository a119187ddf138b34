//! What caveats mean: those of dCache and XRootD.

use std::net::IpAddr;

use jiff::Timestamp;

use super::super::authorisation::{Operation, Question};
use super::super::path::{ObjectPath, WrittenPath};

/// What a macaroon lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Activity {
    Delete,
    Download,
    List,
    Manage,
    ReadMetadata,
    Stage,
    UpdateMetadata,
    Upload,
}

impl Activity {
    pub(in super::super) const ALL: [Self; 8] = [
        Self::Delete,
        Self::Download,
        Self::List,
        Self::Manage,
        Self::ReadMetadata,
        Self::Stage,
        Self::UpdateMetadata,
        Self::Upload,
    ];

    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Download => "DOWNLOAD",
            Self::List => "LIST",
            Self::Manage => "MANAGE",
            Self::ReadMetadata => "READ_METADATA",
            Self::Stage => "STAGE",
            Self::UpdateMetadata => "UPDATE_METADATA",
            Self::Upload => "UPLOAD",
        }
    }

    pub(in super::super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// What a token has to allow for it to be granted.
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Delete | Self::UpdateMetadata => Operation::Delete,
            Self::Download => Operation::Read,
            Self::List => Operation::List,
            Self::Manage => Operation::MakeDirectory,
            Self::ReadMetadata | Self::Stage => Operation::Stat,
            Self::Upload => Operation::Create,
        }
    }
}

/// Whether an activity is one for this operation, paths apart. Whoever may do something may look.
/// Something is replaced by whoever may manage or delete; a macaroon without UPLOAD never creates.
pub(in super::super) fn permits(activity: Activity, asked: &Question) -> bool {
    use Operation::*;
    asked.operation == Stat
        || match activity {
            Activity::Delete => matches!(asked.operation, Delete | Overwrite),
            Activity::Download => asked.operation == Read,
            Activity::List => asked.operation == List,
            Activity::Manage => matches!(
                asked.operation,
                MakeDirectory | Overwrite | RenameDirectory | RenameFile
            ),
            Activity::Upload => asked.operation == Create,
            Activity::ReadMetadata | Activity::Stage | Activity::UpdateMetadata => false,
        }
}

/// What a caveat comes to, for one request.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Meaning {
    /// Only these.
    Activities(Vec<Activity>),
    /// The end, in seconds since 1970, which has not come yet.
    Before(f64),
    /// It is met, and says nothing more.
    Holds,
    /// Its end has come.
    Past,
    /// Only what lies there.
    Path(ObjectPath),
    /// It is not met, or nobody knows what it means.
    Unmet,
}

/// What caveats may be about beside the request itself.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Surroundings {
    /// Seconds since 1970.
    pub(in super::super) now: f64,
    /// Who sends the request.
    pub(in super::super) peer: Option<IpAddr>,
}

/// What the caveat means.
pub(in super::super) fn means(caveat: &str, around: &Surroundings) -> Meaning {
    let Some((name, value)) = caveat.split_once(':') else {
        return Meaning::Unmet;
    };
    match name {
        // What nobody knows cannot be done.
        "activity" => Meaning::Activities(value.split(',').filter_map(Activity::of).collect()),
        "before" => match value.parse::<Timestamp>() {
            Ok(end) => {
                let end = end.as_duration().as_secs_f64();
                match around.now < end {
                    true => Meaning::Before(end),
                    false => Meaning::Past,
                }
            }
            Err(_) => Meaning::Unmet,
        },
        "ip" => match around.peer {
            Some(peer) if value.split(',').any(|network| within(network, peer)) => Meaning::Holds,
            _ => Meaning::Unmet,
        },
        "path" => {
            WrittenPath::parse(value).map_or(Meaning::Unmet, |written| Meaning::Path(written.path))
        }
        _ => Meaning::Unmet,
    }
}

/// Whether an address is that one, or in that network (RFC 4632 section 3.1).
fn within(network: &str, peer: IpAddr) -> bool {
    let (address, length) = match network.split_once('/') {
        Some((address, length)) => (address, length.parse::<u32>().ok()),
        None => (network, Some(u32::MAX)),
    };
    let (Ok(address), Some(length)) = (address.parse::<IpAddr>(), length) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(four.to_bits()), 32),
        IpAddr::V6(six) => (six.to_bits(), 128),
    };
    let ((network, size), (peer, other)) = (bits(address), bits(peer.to_canonical()));
    let ignored = size - length.min(size);
    size == other && network.checked_shr(ignored) == peer.checked_shr(ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(caveat: &str) -> Meaning {
        let around = Surroundings {
            now: 1_000_000_000.0,
            peer: "192.0.2.7".parse().ok(),
        };
        means(caveat, &around)
    }

    #[test]
    fn caveats_are_understood_or_not_met() {
        let path = |text: &str| Meaning::Path(WrittenPath::parse(text).unwrap().path);
        for (caveat, meaning) in [
            ("activity:", Meaning::Activities(vec![])),
            (
                "activity:DOWNLOAD,FLY,LIST",
                Meaning::Activities(vec![Activity::Download, Activity::List]),
            ),
            ("activity:download", Meaning::Activities(vec![])),
            (
                "before:2001-09-09T01:46:41Z",
                Meaning::Before(1_000_000_001.0),
            ),
            ("before:2001-09-09T01:46:40Z", Meaning::Past),
            ("before:2099-01-01", Meaning::Unmet),
            ("before:", Meaning::Unmet),
            ("path:/a//b/", path("/a/b")),
            ("path:/", path("/")),
            ("path:a", Meaning::Unmet),
            ("path:/a/../b", Meaning::Unmet),
            ("ip:192.0.2.7", Meaning::Holds),
            ("ip:10.0.0.1,192.0.2.0/24", Meaning::Holds),
            ("ip:192.0.2.8/31", Meaning::Unmet),
            ("ip:0.0.0.0/0", Meaning::Holds),
            ("ip:::/0", Meaning::Unmet),
            ("ip:192.0.2.7/x", Meaning::Unmet),
            ("ip:", Meaning::Unmet),
            ("name:somebody", Meaning::Unmet),
            ("Activity:DOWNLOAD", Meaning::Unmet),
            ("activity", Meaning::Unmet),
            ("", Meaning::Unmet),
        ] {
            assert_eq!(meant(caveat), meaning, "{caveat}");
        }
        let six: IpAddr = "2001:db8::7".parse().unwrap();
        assert!(within("2001:db8::/32", six) && within("::/0", six));
        assert!(!within("2001:db9::/32", six) && !within("0.0.0.0/0", six));
        assert!(within("192.0.2.7", "::ffff:192.0.2.7".parse().unwrap()));
    }
}
